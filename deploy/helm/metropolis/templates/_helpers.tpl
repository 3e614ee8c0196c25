{{/* The prefix of every name: the release's name, with the chart's unless that is part of it. */}}
{{- define "metropolis.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The Secret that holds the passwords of NATS users. */}}
{{- define "metropolis.secret" -}}
{{- .Values.nats.existingSecret | default (printf "%s-nats" (include "metropolis.fullname" .)) -}}
{{- end -}}

{{/* An image, with the chart's appVersion for a tag if it has none. */}}
{{- define "metropolis.image" -}}
{{- if regexMatch "[:@][^/]*$" .image -}}
{{- .image -}}
{{- else -}}
{{- printf "%s:%s" .image .root.Chart.AppVersion -}}
{{- end -}}
{{- end -}}

{{/* Which pods: dict "root" $ "name" "gateway". */}}
{{- define "metropolis.selector" -}}
app.kubernetes.io/name: {{ .name }}
{{ include "metropolis.everybody" .root }}
{{- end -}}

{{/* All pods of this release. */}}
{{- define "metropolis.everybody" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: metropolis
{{- end -}}

{{/* The labels of a pod: dict "root" $ "name" "gateway" "component" "gateway". */}}
{{- define "metropolis.podLabels" -}}
{{ include "metropolis.selector" . }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* The labels of an object, likewise. */}}
{{- define "metropolis.labels" -}}
{{ include "metropolis.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* What every pod is: without the API, without injected variables, without root. dict "user" 1000 */}}
{{- define "metropolis.pod" -}}
# The variables that Kubernetes would add for the NATS Service look like settings and are none.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* What every container is. */}}
{{- define "metropolis.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Spread over zones and nodes as well as can be: dict "root" $ "name" "gateway". */}}
{{- define "metropolis.spread" -}}
topologySpreadConstraints:
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "metropolis.selector" . | nindent 8 }}
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "metropolis.selector" . | nindent 8 }}
{{- end -}}

{{/* The probes of a gateway or a worker. */}}
{{- define "metropolis.probes" -}}
livenessProbe:
  httpGet:
    path: /healthz
    port: admin
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: admin
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* The key of a user in the Secret, which is also the end of a variable's name. */}}
{{- define "metropolis.key" -}}
{{- . | replace "-" "_" -}}
{{- end -}}

{{/* The one password a client sees: dict "root" $ "name" "gateway". */}}
{{- define "metropolis.credentials" -}}
- name: credentials
  secret:
    secretName: {{ include "metropolis.secret" .root }}
    defaultMode: 288 # 0440
    items:
      - key: {{ include "metropolis.key" .name }}
        path: password
{{- end -}}

{{/* Pods are replaced when the configuration changes: the template that makes it. */}}
{{- define "metropolis.checksum" -}}
checksum/config: {{ include (print .Template.BasePath "/config.yaml") . | sha256sum }}
{{- end -}}

{{/* What a NATS user may do, as given or from the chart's own files: dict "root" $ "user" "hello" "values" … */}}
{{- define "metropolis.permissions" -}}
{{- $own := .root.Files.Get (printf "files/%s.permissions.conf" .user) -}}
{{- .values.permissions | default $own | required (printf "workers.%s.permissions is missing: give what the worker prints" .user) | trim -}}
{{- end -}}
