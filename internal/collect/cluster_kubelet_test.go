// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// throttledPod is the pod of the recorded pages of a kubelet.
var throttledPod = evidence.RefTo("Pod", "fault-liveness-throttled", "liveness-throttled-6f848687cc-9m4xl")

func TestKubeletPages(t *testing.T) {
	read := func(asked evidence.Ref) (lines []string) {
		k := &kubeletFacts{node: evidence.RefTo("Node", "", "n1"), at: now, asked: map[evidence.Ref]bool{asked: true}}
		for name, read := range map[string]func(io.Reader) error{"summary.json": k.summary, "cadvisor.txt": k.cadvisor} {
			file, err := os.Open("testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := read(file); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range k.sorted() {
			lines = append(lines, f.About.String()+" "+f.Name+" "+f.Text)
		}
		return lines
	}
	all := strings.Join(read(throttledPod), "\n")
	for _, want := range []string{
		"node/n1 psi.cpu.some avg60 0", "node/n1 ephemeral-storage fault-liveness-throttled/" + throttledPod.Name + " usedBytes ",
		throttledPod.String() + " cpu.throttled ",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the facts lack %q:\n%s", want, all)
		}
	}
	if other := strings.Join(read(evidence.RefTo("Pod", "shop", "web")), "\n"); strings.Contains(other, "cpu.throttled") || !strings.Contains(other, "ephemeral-storage") {
		t.Errorf("of a node without a pod in question:\n%s", other)
	}
}

func TestKubeletVolumesAndPressure(t *testing.T) {
	const text = `{"node":{"nodeName":"n1","cpu":{"usageNanoCores":250000000},"memory":{"workingSetBytes":9000,"psi":{"full":{"avg60":3.5},"some":{"avg60":9}}}},"pods":[{"podRef":{"name":"db-0","namespace":"shop"},
"volume":[{"name":"tmp","availableBytes":1},{"name":"data","pvcRef":{"name":"data-db-0","namespace":"shop"},"availableBytes":5,"capacityBytes":100,"inodesFree":7,"inodes":9}]}]}`
	k := &kubeletFacts{node: evidence.RefTo("Node", "", "n1"), at: now, asked: map[evidence.Ref]bool{evidence.RefTo("Pod", "shop", "db-0"): true}}
	if err := k.summary(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range k.sorted() {
		got = append(got, f.About.Name+" "+f.Name+" "+strconv.FormatFloat(f.Value, 'g', -1, 64))
	}
	const want = "n1 psi.memory.full 3.5, n1 usage.cpu 0.25, n1 usage.memory 9000, data-db-0 kubelet_volume_stats_available_bytes 5, data-db-0 kubelet_volume_stats_capacity_bytes 100, " +
		"data-db-0 kubelet_volume_stats_inodes 9, data-db-0 kubelet_volume_stats_inodes_free 7"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestAskingAKubelet(t *testing.T) {
	status := http.StatusOK
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the kubelet was shown a token")
		}
		w.Header().Set("Location", "/metrics/cadvisor")
		w.WriteHeader(status)
		name := map[string]string{"/stats/summary": "summary.json", "/metrics/cadvisor": "cadvisor.txt"}[r.URL.Path]
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(data)
	}))
	defer kubelet.Close()
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: kubelet.Certificate().Raw})
	cert, key := certificate(t)
	for _, test := range []struct {
		name   string
		config rest.Config
		status int
		gap    string
	}{
		{"with a certificate", rest.Config{BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, 200, ""},
		{"with a token", rest.Config{BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: trusted}}, 200, "no client certificate, and a token is not shown to nodes"},
		{"trusting any", rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true, CertData: cert, KeyData: key}}, 200, "no certificate-authority that could vouch for it"},
		{"as somebody else", rest.Config{Impersonate: rest.ImpersonationConfig{UserName: "ops"}, TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, 200, "cannot be asked as somebody else"},
		{"elsewhere", rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, 302, "/stats/summary answers with status 302"},
		{"of another authority", rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: cert, CertData: cert, KeyData: key}}, 200, "unknown authority"},
		{"without the right", rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, 403, "forbidden: cannot get nodes/stats"},
		{"broken", rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, 500, "/stats/summary answers with status 500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status = test.status
			v := &visit{about: evidence.RefTo("Node", "", "n1"), api: &api{config: &test.config, limits: usualLimits}, told: map[evidence.Ref]bool{}}
			n1 := node("n1", corev1.ConditionTrue)
			host, port, _ := net.SplitHostPort(kubelet.Listener.Addr().String())
			n1.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: "n1"}, {Type: corev1.NodeInternalIP, Address: host}}
			number, _ := strconv.ParseInt(port, 10, 32)
			n1.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
			v.kubelets(t.Context(), []*corev1.Node{n1}, nil)
			v.withoutKubelets()
			gaps := ""
			for _, g := range v.s.Gaps {
				gaps += g.Why
			}
			if test.gap == "" && (gaps != "" || len(v.s.Facts) == 0 || v.s.Has != evidence.Usage) {
				t.Errorf("%d facts, has %s, gaps %s", len(v.s.Facts), v.s.Has, gaps)
			}
			if test.gap != "" && (!strings.Contains(gaps, test.gap) || len(v.s.Facts) > 0) {
				t.Errorf("%d facts, gaps %s, want one with %q", len(v.s.Facts), gaps, test.gap)
			}
		})
	}
}

// TestAnAgentStandsInForAKubelet: a node whose agent was heard lacks nothing because its kubelet could not be asked.
func TestAnAgentStandsInForAKubelet(t *testing.T) {
	v := &visit{about: evidence.RefTo("Node", "", "n1"), api: &api{config: &rest.Config{}, limits: usualLimits}, told: map[evidence.Ref]bool{}}
	v.kubelets(t.Context(), []*corev1.Node{node("n1", corev1.ConditionTrue), node("n2", corev1.ConditionTrue)}, nil)
	v.heard = []evidence.Ref{evidence.RefTo("Node", "", "n1")}
	v.withoutKubelets()
	if len(v.s.Gaps) != 1 || v.s.Gaps[0].About.Name != "n2" {
		t.Errorf("gaps %v", v.s.Gaps)
	}
}

func TestKubeletAddress(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.7": "10.0.0.7:10250", "fd00::7": "[fd00::7]:10250",
		"kubernetes.default.svc/api/v1/secrets?": "", "": "",
	} {
		n := node("n1", corev1.ConditionTrue)
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
		if got, err := kubeletAddress(n); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", address, got, err, want)
		}
	}
}

// Where no metrics API is served and the kubelet has told what is used, usage is not missing.
func TestAKubeletStandsInForTheMetricsAPI(t *testing.T) {
	pod := crashing("web-7-a")
	missing := []evidence.Gap{
		{Kind: evidence.Usage, About: evidence.RefOf(pod)}, {Kind: evidence.Usage, About: evidence.RefTo("Pod", "shop", "other")},
		{Kind: evidence.Events, About: evidence.RefOf(pod)},
	}
	v := &visit{told: map[evidence.Ref]bool{evidence.RefTo("Node", "", "n1"): true}}
	v.s.Gaps = missing
	v.forgetMeasured([]*corev1.Pod{pod})
	if len(v.s.Gaps) != 2 || v.s.Gaps[0].About.Name != "other" || v.s.Gaps[1].Kind != evidence.Events {
		t.Errorf("gaps %v", v.s.Gaps)
	}
}

func TestALongKubeletPageIsRefused(t *testing.T) {
	k := &kubeletFacts{asked: map[evidence.Ref]bool{}}
	err := k.summary(strings.NewReader(`{"pods":[` + strings.Repeat("{},", mostMembers+1) + `{}]}`))
	if err == nil || !strings.Contains(err.Error(), "more than 2000") {
		t.Errorf("error %v", err)
	}
}

// certificate returns a certificate that vouches for itself, with its key.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

func FuzzKubeletPages(f *testing.F) {
	f.Add(`{"node":{},"pods":[{"podRef":{"name":"a"},"volume":[{"pvcRef":{}}],"containers":[{"cpu":{"psi":{}}}]}]}`, `container_cpu_cfs_periods_total{pod="a",container="b"} 30`)
	f.Fuzz(func(t *testing.T, page, metrics string) {
		k := &kubeletFacts{asked: map[evidence.Ref]bool{evidence.RefTo("Pod", "", "a"): true}}
		_ = k.summary(strings.NewReader(page))
		_ = k.cadvisor(strings.NewReader(metrics))
		for _, fact := range k.sorted() {
			if fact.Name == "" || fact.Where == "" {
				t.Errorf("a fact without name or place: %+v", fact)
			}
		}
	})
}
