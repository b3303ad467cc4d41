{{/* The text of a copy of the manifests, in the namespace of the release. Arguments: the root, the name of the file. */}}
{{- define "nadmit.copy" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) -}}
{{- if not $text }}{{ fail (printf "the chart has no file %s" (index . 1)) }}{{ end -}}
{{- $text | replace "nadmit-system" $root.Release.Namespace -}}
{{- end -}}

{{/* The name of an image. Arguments: the root, the values of the image. */}}
{{- define "nadmit.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.name -}}
{{- with $root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Whether the certificate is in files, which others write: true or "". */}}
{{- define "nadmit.hasFiles" -}}
{{- if ne .Values.tls.mode "own" }}true{{ end -}}
{{- end -}}

{{- define "nadmit.attachedBy" -}}
{{- .Values.attachedBy | default (ternary "nadmit" "" .Values.node.enabled) -}}
{{- end -}}
