{{/* What would go wrong in the cluster is refused here, with what to do instead. */}}
{{- define "smsbat-exporter.guards" -}}
{{- $replicas := int .Values.replicas }}
{{- if eq .Values.mode "central" }}
  {{- if ne $replicas 1 }}
    {{- fail (printf "replicas is %d, but mode central runs exactly one exporter: two cannot share a store, and with a store each would know only its share of the messages. Leave replicas at 1 and raise resources; for an exporter in each of an application's pods set mode=sidecar." $replicas) }}
  {{- end }}
  {{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
    {{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: the exporter would be scraped twice, and every message counted twice. Enable one of them." }}
  {{- end }}
  {{- if and .Values.secret (not (hasKey .Values.secret "api-token")) (include "smsbat-exporter.ownToken" .) }}
    {{- fail "secret has no api-token, but in mode central callers of the API need one: set secret.api-token, or better leave secret empty and name a Secret that is there already in existingSecret." }}
  {{- end }}
  {{- if and .Values.webhook.enabled (not (include "smsbat-exporter.webhookToken" .)) }}
    {{- fail "webhook.enabled is true, but no account in config.accounts has a webhook_token_file, so the exporter would not listen: give one, such as /run/secrets/smsbat/webhook-token." }}
  {{- end }}
{{- else }}
  {{- if and .Values.persistence.existingClaim (gt $replicas 1) }}
    {{- fail (printf "replicas is %d, but persistence.existingClaim is one store, and two exporters cannot share it. Leave existingClaim empty, so that each pod has a store of its own (sidecar.volume), or replicas at 1." $replicas) }}
  {{- end }}
  {{- if and .Values.persistence.existingClaim (ne (dig "type" "Recreate" .Values.sidecar.strategy) "Recreate") }}
    {{- fail "sidecar.strategy.type is not Recreate, but with persistence.existingClaim the new pod's exporter would find the store in use by the old one's. Leave sidecar.strategy empty, or existingClaim." }}
  {{- end }}
  {{- if .Values.serviceMonitor.enabled }}
    {{- fail "serviceMonitor.enabled is true, but mode sidecar has no Service for the exporter: set podMonitor.enabled in its place." }}
  {{- end }}
  {{- if .Values.webhook.enabled }}
    {{- fail "webhook.enabled is true, but in mode sidecar a webhook would reach the exporter of any pod, and only one knows the message: use mode central for webhooks." }}
  {{- end }}
  {{- if .Values.networkPolicy.enabled }}
    {{- fail "networkPolicy.enabled is true, but in mode sidecar it would cut off the application as well, which is in the same pod: let the application's own policy allow 10767 in, and 53 and 443 out." }}
  {{- end }}
  {{- if and .Values.podMonitor.enabled (not .Values.sidecar.containers) (not .Values.podMonitor.matchLabels) }}
    {{- fail "podMonitor.matchLabels is empty, but with sidecar.containers empty another chart makes the pods: set the labels that they have." }}
  {{- end }}
{{- end }}
{{- end }}
