{{/* How Prometheus scrapes the exporter: a list of the scope and of a monitor's values. */}}
{{- define "smsbat-exporter.endpoint" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
- port: web
  path: /metrics
  scheme: {{ if include "smsbat-exporter.tls" $root }}https{{ else }}http{{ end }}
  interval: {{ $monitor.interval }}
  scrapeTimeout: {{ $monitor.scrapeTimeout }}
  {{- with $monitor.tlsConfig }}
  tlsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $monitor.basicAuth }}
  basicAuth:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
