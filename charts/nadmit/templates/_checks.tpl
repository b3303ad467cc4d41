{{/* Values that do not go together. helm prints the text and renders nothing. */}}
{{- define "nadmit.check" -}}
{{- if and (eq .Values.tls.mode "secret") (not .Values.tls.secretName) -}}
{{- fail "tls.mode is secret, and tls.secretName is empty; name a Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and (ne .Values.tls.mode "secret") .Values.tls.secretName -}}
{{- fail (printf "tls.secretName is for tls.mode secret, and the mode is %s; remove one of them" .Values.tls.mode) -}}
{{- end -}}
{{- if and .Values.node.uninstall (not .Values.node.enabled) -}}
{{- fail "node.uninstall needs node.enabled=true: the DaemonSet removes the plugin; disable it afterwards" -}}
{{- end -}}
{{- end -}}
