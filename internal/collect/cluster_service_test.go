// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestServices: those that lead to pods that were read are read where they are asked for, each once, and no others.
func TestServices(t *testing.T) {
	all := shop()
	for name, app := range map[string]string{"web": "web", "other": "other", "outside": ""} {
		service := &corev1.Service{ObjectMeta: object("shop", name)}
		if app != "" {
			service.Spec.Selector = map[string]string{"app": app}
		}
		all.Objects = append(all.Objects, service)
	}
	alien := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}
	all.Objects = append(all.Objects, alien)
	for _, sel := range []evidence.Selection{pod("web-7-b"), named("Deployment", "web"), {Namespace: "shop"}, {AllNamespaces: true}} {
		for _, asked := range []bool{false, true} {
			c := Cluster{Config: apitest.New(t, all).Config(), Now: func() time.Time { return now }, Services: asked, limits: patient}
			s, err := c.Snapshot(t.Context(), sel)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, service := range evidence.List[*corev1.Service](s) {
				got = append(got, service.Namespace+"/"+service.Name)
			}
			if text := strings.Join(got, " "); text != map[bool]string{true: "shop/web"}[asked] {
				t.Errorf("%+v, asked for %v: %q", sel, asked, text)
			}
		}
	}
}
