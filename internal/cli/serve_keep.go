// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/history"
)

// keepOptions say what of a history is kept.
type keepOptions struct {
	age, events time.Duration
	size        string
}

func (o *keepOptions) bind(flags *pflag.FlagSet) {
	flags.DurationVar(&o.age, "keep", 90*24*time.Hour, "how long deaths, closed incidents and gaps are kept; 0 for ever")
	flags.DurationVar(&o.events, "keep-events", 14*24*time.Hour, "how long Events are kept; 0 as long as deaths")
	flags.StringVar(&o.size, "keep-size", "4Gi", "how large the history may get, as a `quantity`: beyond that the oldest deaths and Events go first; 0 for no bound")
}

// retention is what the flags say.
func (o *keepOptions) retention() (history.Retention, error) {
	if o.age < 0 || o.events < 0 {
		return history.Retention{}, fmt.Errorf("--keep %s and --keep-events %s: expected 0 or more", o.age, o.events)
	}
	size, err := resource.ParseQuantity(o.size)
	if err != nil || size.Sign() < 0 {
		return history.Retention{}, fmt.Errorf("--keep-size %q is no quantity, expected one as 4Gi, or 0 for no bound", o.size)
	}
	return history.Retention{Age: o.age, Events: o.events, Bytes: size.Value()}, nil
}
