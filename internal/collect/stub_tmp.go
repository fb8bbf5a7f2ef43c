package collect

import (
	"sigs.k8s.io/yaml"
)

func CheckYAML(b []byte) error            { return nil }
func DecodeYAML(b []byte, into any) error { return yaml.Unmarshal(b, into) }
