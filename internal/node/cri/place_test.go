// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	testUID = "1a2b3c4d-0001-4a5b-8c6d-0123456789ab"
	other   = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
)

var (
	testID  = strings.Repeat("0123456789abcdef", 4)
	testBox = strings.Repeat("abcdef0123456789", 4)
	escaped = strings.ReplaceAll(testUID, "-", "_")
)

func testIndex(t *testing.T) *Index {
	t.Helper()
	r, err := New(Options{Node: "n1", Tell: func(record.Entry) {}})
	if err != nil {
		t.Fatal(err)
	}
	of := evidence.RefTo("Pod", "shop", "web")
	r.Restore(record.Entry{PodUID: testUID, Run: &record.Run{Of: of.InContainer("app").InAttempt(3), ID: testID, Sandbox: testBox, State: record.Running}})
	r.Restore(record.Entry{PodUID: testUID, Fact: &evidence.Fact{Source: evidence.FromRuntime, About: of, Name: sandboxCreated, Where: sandboxWhere + testBox}})
	return r.Index()
}

func TestPlace(t *testing.T) {
	x := testIndex(t)
	const app, pod, none = "pod/web[app]#3", "pod/web", "cluster"
	for path, want := range map[string]string{
		// cgroupfs
		"/kubepods/burstable/pod" + testUID + "/" + testID:                           app,
		"/kubepods/pod" + testUID + "/" + testID:                                     app,
		"/lab-n1/kubepods/besteffort/pod" + testUID + "/" + testID + "/init.scope":   app,
		"/kubepods/burstable/pod" + testUID:                                          pod,
		"/kubepods/burstable/pod" + testUID + "/" + testBox:                          pod,
		"/kubepods/burstable/pod" + testUID + "/" + other:                            pod,
		"/kubepods/pod" + testUID + "/" + testID + "/docker/" + other:                app,
		"../../pod" + testUID + "/" + testID:                                         app,
		"/../../../" + testID:                                                        app,
		"4:memory:/kubepods/burstable/pod" + testUID + "/" + testID + " (deleted)\n": app,
		"4:memory:/kubepods/burstable/pod" + testUID + "/" + testID:                  app,
		"/k8s.io/" + testID:                                                          app,
		// systemd, by containerd, CRI-O, dockershim
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + escaped + ".slice/cri-containerd-" + testID + ".scope":                                app,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-" + testID + ".scope/container":                                                                   app,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-conmon-" + testID + ".scope":                                                                      pod,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/docker-" + testID + ".scope":                                                                           app,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice":                                                                                                       pod,
		"/kubepods-burstable-pod" + escaped + ".slice:cri-containerd:" + testID:                                                                                   app,
		"0::/../../kubepods-pod" + escaped + ".slice/cri-containerd-" + testID + ".scope":                                                                         app,
		"/docker/" + other + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + escaped + ".slice/cri-containerd-" + testID + ".scope/system.slice/x": app,
		"/system.slice/docker-" + other + ".scope/kubepods/pod" + testUID + "/" + testID:                                                                          app,
		"/kubepods/pod" + testUID + "/" + testID + "/kubepods/pod00000000-0000/" + other:                                                                          app,
		// CRI-O with cgroupfs, its monitors where conmon_cgroup says, and a sandbox that has processes (crio.conf(5))
		"/kubepods/burstable/pod" + testUID + "/crio-" + testID:                                           app,
		"/kubepods/burstable/pod" + testUID + "/crio-conmon-" + testID:                                    pod,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-" + testBox + ".scope":                    pod,
		"kubepods-burstable-pod" + escaped + ".slice:crio:" + testID:                                      app,
		"/system.slice/crio-conmon-" + testID + ".scope":                                                  none,
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-" + testID + ".scope/container/app.slice": app,
		// of no pod, or one that is not known
		"/":                          none,
		"":                           none,
		"/user.slice/user-0.slice":   none,
		"/kubepods":                  none,
		"/kubepods.slice":            none,
		"/kubepods/podx/" + other:    none,
		"/docker/" + other:           none,
		"/system.slice/docker.scope": none,
		"/kubepods/pod00000000-1111-2222-3333-444444444444": none,
		strings.Repeat("/a", 5000) + "/pod" + testUID:       none,
	} {
		ref, uid, ok := x.Place(path)
		if ref.String() != want || ok != (want != none) || ok && uid != testUID {
			t.Errorf("%s is %s of %q (%v), want %s", path, ref, uid, ok, want)
		}
	}
	if _, uid, ok := x.Place("/kubepods/pod00000000-1111-2222-3333-444444444444/" + other); ok || uid != "00000000-1111-2222-3333-444444444444" {
		t.Errorf("a pod that is not known has the UID %q (%v)", uid, ok)
	}
}

func FuzzPlace(f *testing.F) {
	f.Add("/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-" + testID + ".scope")
	f.Add("4:memory:/kubepods/burstable/pod" + testUID + "/" + testID)
	f.Fuzz(func(t *testing.T, path string) {
		uid, id := idsOf(path)
		if len(uid) > maxUID || id != "" && len(id) != 64 {
			t.Errorf("%q and %q", uid, id)
		}
		for _, s := range []string{uid, id} {
			if strings.ContainsFunc(s, func(c rune) bool { return c != '-' && (c > 'f' || !isHex(byte(c))) }) {
				t.Errorf("%q and %q", uid, id)
			}
		}
		if uid != "" && !strings.Contains(strings.ReplaceAll(path, "_", "-"), uid) || !strings.Contains(path, id) {
			t.Errorf("%q and %q are not in the path", uid, id)
		}
	})
}
