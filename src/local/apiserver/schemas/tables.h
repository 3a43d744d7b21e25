// Field tables of the built-in kinds, one line of text a type (continued by lines that begin with
// a blank):
//
//   core.v1.Container image:string name:string!
//   ports:[core.v1.ContainerPort]@map(containerPort,protocol)
//
// A field may carry its number in the protobuf form ("image#2:string"); "emptyDir#2.2" lies in the
// message that is field 2 (JSON inlines it).
// Scalars: string int int64 number bool bytes (base64) time microtime quantity intstr any object
// (any members). [T] is a list, {T} a map from strings, a dotted name another type.
// After a type: ! required, @map(keys) list keyed by members, @set list of unique scalars,
// @merge(key) strategic merge by that member ("" for scalars), @retainKeys.
// After a type's name: @atomic, owned as a whole in server-side apply.
#pragma once

#include <string_view>

namespace kinglet::local::schemas {

std::string_view Core1();
std::string_view Core2();
std::string_view Core3();
std::string_view Workloads();
std::string_view Cluster();

}  // namespace kinglet::local::schemas
