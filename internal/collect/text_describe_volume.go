// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/regex"
)

// volumeName is the line that begins a volume: two blanks below a pod, three below a template.
var volumeName = regex.New(`^ {2,3}([a-z0-9](?:[-a-z0-9]*[a-z0-9])?):$`)

// readVolumes reads the volumes of a section. A kind of volume that rules do not look into keeps its name only.
func readVolumes(s *section) []corev1.Volume {
	if s == nil {
		return nil
	}
	var list []corev1.Volume
	var fields []string
	end := func() {
		if n := len(list); n > 0 {
			readVolumeFields(&list[n-1], fields)
		}
		fields = nil
	}
	for _, line := range s.body {
		if m := volumeName.FindStringSubmatch(line); m != nil {
			end()
			list = append(list, corev1.Volume{Name: m[1]})
			continue
		}
		fields = append(fields, strings.TrimSpace(line))
	}
	end()
	return list
}

// A volumeText is the fields of one volume, in order: those of a projected one repeat.
type volumeText struct{ keys, values []string }

func (v volumeText) get(key string) string {
	for i, k := range v.keys {
		if k == key && !none(v.values[i]) {
			return v.values[i]
		}
	}
	return ""
}

// optional returns whether the field Optional says so: nil is the default, which is no.
func optional(s string) *bool {
	if s != "true" {
		return nil
	}
	yes := true
	return &yes
}

func readVolumeFields(v *corev1.Volume, lines []string) {
	var text volumeText
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, ":"); ok {
			text.keys, text.values = append(text.keys, key), append(text.values, strings.TrimSpace(value))
		}
	}
	kind, _, _ := strings.Cut(text.get("Type"), " ")
	switch kind {
	case "Secret":
		v.Secret = &corev1.SecretVolumeSource{SecretName: text.get("SecretName"), Optional: optional(text.get("Optional"))}
	case "ConfigMap":
		v.ConfigMap = &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: text.get("Name")}, Optional: optional(text.get("Optional")),
		}
	case "PersistentVolumeClaim":
		v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: text.get("ClaimName"), ReadOnly: text.get("ReadOnly") == "true"}
	case "HostPath":
		v.HostPath = &corev1.HostPathVolumeSource{Path: text.get("Path")}
		if kind := corev1.HostPathType(text.get("HostPathType")); kind != "" {
			v.HostPath.Type = &kind
		}
	case "EmptyDir":
		v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMedium(text.get("Medium"))}
		if limit, err := quantity.ParseQuantity(text.get("SizeLimit")); err == nil {
			v.EmptyDir.SizeLimit = &limit
		}
	case "Projected":
		v.Projected = &corev1.ProjectedVolumeSource{Sources: text.projections()}
	case "NFS":
		v.NFS = &corev1.NFSVolumeSource{Server: text.get("Server"), Path: text.get("Path"), ReadOnly: text.get("ReadOnly") == "true"}
	case "CSI":
		v.CSI = &corev1.CSIVolumeSource{Driver: text.get("Driver")}
	case "EphemeralVolume":
		class := text.get("StorageClass")
		v.Ephemeral = &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{}}
		if class != "" {
			v.Ephemeral.VolumeClaimTemplate.Spec.StorageClassName = &class
		}
	}
}

// projections reads the sources of a projected volume; the older spelling of a ConfigMap's Optional is its own.
func (v volumeText) projections() []corev1.VolumeProjection {
	var list []corev1.VolumeProjection
	var last *corev1.VolumeProjection
	for i, key := range v.keys {
		value := v.values[i]
		of := corev1.LocalObjectReference{Name: value}
		var next corev1.VolumeProjection
		switch key {
		case "SecretName":
			next.Secret = &corev1.SecretProjection{LocalObjectReference: of}
		case "ConfigMapName":
			next.ConfigMap = &corev1.ConfigMapProjection{LocalObjectReference: of}
		case "DownwardAPI":
			next.DownwardAPI = &corev1.DownwardAPIProjection{}
		case "TokenExpirationSeconds":
			next.ServiceAccountToken = &corev1.ServiceAccountTokenProjection{}
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				next.ServiceAccountToken.ExpirationSeconds = &n
			}
		case "Optional", "ConfigMapOptional", "SecretOptionalName":
			if last != nil && last.Secret != nil {
				last.Secret.Optional = optional(value)
			}
			if last != nil && last.ConfigMap != nil {
				last.ConfigMap.Optional = optional(value)
			}
			continue
		default:
			continue
		}
		list = append(list, next)
		last = &list[len(list)-1]
	}
	return list
}
