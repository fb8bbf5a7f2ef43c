package collect

import (
	"github.com/kubeinquest/inquest/internal/evidence"
)

func Select(s *evidence.Snapshot, sel evidence.Selection) (*evidence.Snapshot, error) { return s, nil }
func CheckYAML(b []byte) error                                                        { return nil }
