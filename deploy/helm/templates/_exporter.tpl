{{/*
The exporter's container, the volumes it mounts, and what its pod needs besides.
Another chart that has this one as a dependency includes them with the dependency's own scope:
  {{ include "smsbat-exporter.sidecar.container" (index .Subcharts "smsbat-exporter") }}
*/}}

{{/* A list of one native sidecar, for initContainers. */}}
{{- define "smsbat-exporter.sidecar.container" -}}
{{ include "smsbat-exporter.container" . }}
  # An init container that keeps running: started before the application, stopped after it.
  restartPolicy: Always
{{- end }}

{{/* A list of volumes. */}}
{{- define "smsbat-exporter.sidecar.volumes" -}}
{{ include "smsbat-exporter.volumes" . }}
{{ include "smsbat-exporter.stateVolume" . }}
{{- end }}

{{- define "smsbat-exporter.container" -}}
{{- $central := eq .Values.mode "central" -}}
- name: smsbat-exporter
  image: {{ include "smsbat-exporter.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --config.file=/etc/smsbat-exporter/config.yaml
    - --web.listen-address=:10767
    {{- if .Values.web.existingConfigSecret }}
    - --web.config.file=/etc/smsbat-exporter-web/web-config.yml
    {{- end }}
    {{- if .Values.web.enableLifecycle }}
    - --web.enable-lifecycle
    {{- end }}
    {{- if $central }}
    - --api.listen-address=:10768
    {{- else }}
    # For the application beside it, and nobody else: its base URL is http://127.0.0.1:10768.
    - --api.listen-address=127.0.0.1:10768
    {{- end }}
    {{- if .Values.webhook.enabled }}
    - --webhook.listen-address=:10769
    {{- end }}
    - --log.level={{ .Values.log.level }}
    - --log.format={{ .Values.log.format }}
  {{- with .Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: web, containerPort: 10767, protocol: TCP}
    {{- if $central }}
    - {name: api, containerPort: 10768, protocol: TCP}
    {{- end }}
    {{- if .Values.webhook.enabled }}
    - {name: webhook, containerPort: 10769, protocol: TCP}
    {{- end }}
  {{- if $central }}
  # Ready is: the messages in flight are read. That takes a while when there are many.
  {{- else }}
  # The application is started once this has succeeded, so its first message finds the exporter listening.
  {{- end }}
  startupProbe:
    {{- include "smsbat-exporter.probe" (list . "/-/ready" .Values.probes.startup) | nindent 4 }}
  {{- if or $central (include "smsbat-exporter.relay" .) }}
  {{- if not $central }}
  # It takes the whole pod out of service, and should: the application sends through the relay, and cannot without it.
  # That SMSBat is down never makes it fail. A configuration without `relay` has no such probe: to lose the exporter
  # is then to lose numbers, no reason to turn visitors away. (While its container is down, Kubernetes calls the pod
  # not ready in any case.)
  {{- end }}
  readinessProbe:
    {{- include "smsbat-exporter.probe" (list . "/-/ready" .Values.probes.readiness) | nindent 4 }}
  {{- end }}
  livenessProbe:
    {{- include "smsbat-exporter.probe" (list . "/-/healthy" .Values.probes.liveness) | nindent 4 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    # Directories, not single files by subPath: only those follow a changed ConfigMap or Secret.
    - {name: smsbat-config, mountPath: /etc/smsbat-exporter, readOnly: true}
    - {name: smsbat-secret, mountPath: /run/secrets/smsbat, readOnly: true}
    {{- if .Values.web.existingConfigSecret }}
    - {name: smsbat-web-config, mountPath: /etc/smsbat-exporter-web, readOnly: true}
    {{- end }}
    - {name: smsbat-state, mountPath: /var/lib/smsbat-exporter}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* A list of the scope, the path and the timing. Neither path asks for a user or a certificate. */}}
{{- define "smsbat-exporter.probe" -}}
{{- $root := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: web
  {{- if include "smsbat-exporter.tls" $root }}
  scheme: HTTPS
  {{- end }}
{{ toYaml (index . 2) }}
{{- end }}

{{- define "smsbat-exporter.tls" -}}
{{- if and .Values.web.existingConfigSecret .Values.web.tls }}yes{{ end }}
{{- end }}

{{- define "smsbat-exporter.volumes" -}}
- name: smsbat-config
  configMap: {name: {{ include "smsbat-exporter.fullname" . }}}
- name: smsbat-secret
  secret: {secretName: {{ include "smsbat-exporter.secretName" . }}, defaultMode: 0440}
{{- if .Values.web.existingConfigSecret }}
- name: smsbat-web-config
  secret: {secretName: {{ .Values.web.existingConfigSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* Where the state is, unless a StatefulSet's claim template says so. */}}
{{- define "smsbat-exporter.stateVolume" -}}
- name: smsbat-state
  {{- if .Values.persistence.existingClaim }}
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
  {{- else if eq .Values.sidecar.volume "ephemeral" }}
  # Like an emptyDir it dies with its pod, and with it the messages in flight and the totals.
  ephemeral:
    volumeClaimTemplate:
      spec:
        {{- include "smsbat-exporter.claim" . | nindent 8 }}
  {{- else }}
  # It outlives a container that crashes, but not its pod: then its messages in flight and its totals are gone.
  emptyDir: {sizeLimit: {{ .Values.sidecar.emptyDirSizeLimit }}}
  {{- end }}
{{- end }}

{{- define "smsbat-exporter.claim" -}}
accessModes: {{ toJson .Values.persistence.accessModes }}
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .Values.persistence.size }}}}
{{- end }}
