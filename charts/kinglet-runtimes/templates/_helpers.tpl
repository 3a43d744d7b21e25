{{- /* image:tag, the tag being kserve.version by default. Call with (list . values). */ -}}
{{- define "kinglet.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- printf "%s:%s" $image.image (default $root.Values.kserve.version $image.tag) -}}
{{- end -}}
