{{/* The exporter's configuration: the user's, and what has to fit to the rest of the chart. */}}

{{/* Not empty when the API's token is not the user's matter. */}}
{{- define "smsbat-exporter.ownToken" -}}
{{- $api := default dict .Values.config.api }}
{{- if not (or (hasKey $api "token") (hasKey $api "token_file")) }}yes{{ end }}
{{- end }}

{{/* Not empty when applications can send through the exporter. */}}
{{- define "smsbat-exporter.relay" -}}
{{- if not (kindIs "invalid" .Values.config.relay) }}yes{{ end }}
{{- end }}

{{/* Not empty when an account takes webhooks. */}}
{{- define "smsbat-exporter.webhookToken" -}}
{{- range .Values.config.accounts }}
{{- if or (hasKey . "webhook_token") (hasKey . "webhook_token_file") }}yes{{ end }}
{{- end }}
{{- end }}

{{- define "smsbat-exporter.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if not (include "smsbat-exporter.relay" .) }}
  {{- /* Helm drops a null that a user sets, but not always one that a parent chart does. */}}
  {{- $config = omit $config "relay" }}
{{- end }}
{{- $_ := set $config "store" (merge (default dict $config.store) (dict "path" "/var/lib/smsbat-exporter/state.db")) }}
{{- if eq .Values.mode "central" }}
  {{- $api := default dict $config.api }}
  {{- if include "smsbat-exporter.ownToken" . }}
    {{- $_ := set $api "token_file" "/run/secrets/smsbat/api-token" }}
  {{- end }}
  {{- /* The exporter refuses a Host that is not its own, and does not know by which names a Service leads to it. */}}
  {{- $service := printf "%s-api" (include "smsbat-exporter.fullname" .) }}
  {{- $inside := printf "%s.%s" $service .Release.Namespace }}
  {{- $names := list $service $inside (printf "%s.svc" $inside) (printf "%s.svc.%s" $inside .Values.clusterDomain) }}
  {{- $_ := set $api "allowed_hosts" (concat (default list $api.allowed_hosts) $names | uniq) }}
  {{- $_ := set $config "api" $api }}
{{- end }}
{{- toYaml $config }}
{{- end }}
