{{- /* A manifest of config with this release's namespace. Call with (list . "files/..."). */ -}}
{{- define "kinglet.file" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) -}}
{{- $text := regexReplaceAll "(?m)^( *)namespace: kserve$" $text (printf "${1}namespace: %s" $root.Release.Namespace) -}}
{{- regexReplaceAll "\\.kserve\\.svc" $text (printf ".%s.svc" $root.Release.Namespace) -}}
{{- end -}}

{{- /* image:tag, the tag being kserve.version by default. Call with (list . values). */ -}}
{{- define "kinglet.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- printf "%s:%s" $image.image (default $root.Values.kserve.version $image.tag) -}}
{{- end -}}
