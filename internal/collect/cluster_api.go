// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Limits of time. A diagnosis is a short burst of small requests, and its answer is due within ten seconds whatever
// happens to the cluster meanwhile.
type limits struct {
	object time.Duration // for one request for objects, or one page of them
	log    time.Duration // for the log of one attempt, which the API server passes on from a kubelet
	visit  time.Duration // for everything
	watch  time.Duration // how long the API server's metrics are watched: they count since it began, and what counts is now
	lag    time.Duration // how long to wait for the status of a pod to catch up with its log
	again  time.Duration // after which it is looked whether the metrics API has measured anew
}

var usualLimits = limits{object: 3 * time.Second, log: 4 * time.Second, visit: 9 * time.Second, watch: 3 * time.Second, lag: 500 * time.Millisecond, again: 5 * time.Second}

// Limits of number.
const (
	pageSize    = 500    // objects in one page of a list, as kubectl has it
	underWay    = 12     // requests for objects at the same time
	requestRate = 100    // requests a second; client-go's default of 5 is for controllers
	burst       = 200    // requests before that rate counts
	mostKept    = 20_000 // objects kept of one list
	mostForPod  = 15     // requests for a question about one pod,
	logsOfThose = 5      // of which are kept for logs and for looking again at what they are of
)

// A resource says where a kind is served. Secrets are not among them: they are never read.
type resource struct {
	group, version string
	plural         string
	cluster        bool          // it has no namespace
	kind           evidence.Kind // what is missing when it cannot be read
}

// resources are the kinds that a visit reads. That an owner or a reference could not be read is noted under Changes:
// under Spec it would take the manifest of the pod itself away from the rules.
var resources = map[string]resource{
	"Pod":                     {"", "v1", "pods", false, evidence.Status},
	"Log":                     {"", "v1", "pods/log", false, evidence.Logs},
	"Event":                   {"", "v1", "events", false, evidence.Events},
	"Node":                    {"", "v1", "nodes", true, evidence.Node},
	"Lease":                   {"coordination.k8s.io", "v1", "leases", false, evidence.Node},
	"Namespace":               {"", "v1", "namespaces", true, evidence.Changes},
	"ReplicaSet":              {"apps", "v1", "replicasets", false, evidence.Changes},
	"Deployment":              {"apps", "v1", "deployments", false, evidence.Changes},
	"StatefulSet":             {"apps", "v1", "statefulsets", false, evidence.Changes},
	"DaemonSet":               {"apps", "v1", "daemonsets", false, evidence.Changes},
	"Job":                     {"batch", "v1", "jobs", false, evidence.Changes},
	"CronJob":                 {"batch", "v1", "cronjobs", false, evidence.Changes},
	"ReplicationController":   {"", "v1", "replicationcontrollers", false, evidence.Changes},
	"ControllerRevision":      {"apps", "v1", "controllerrevisions", false, evidence.Changes},
	"ConfigMap":               {"", "v1", "configmaps", false, evidence.Changes},
	"Service":                 {"", "v1", "services", false, evidence.Changes},
	"ServiceAccount":          {"", "v1", "serviceaccounts", false, evidence.Changes},
	"ResourceQuota":           {"", "v1", "resourcequotas", false, evidence.Changes},
	"LimitRange":              {"", "v1", "limitranges", false, evidence.Changes},
	"PersistentVolumeClaim":   {"", "v1", "persistentvolumeclaims", false, evidence.Changes},
	"PersistentVolume":        {"", "v1", "persistentvolumes", true, evidence.Changes},
	"StorageClass":            {"storage.k8s.io", "v1", "storageclasses", true, evidence.Changes},
	"PriorityClass":           {"scheduling.k8s.io", "v1", "priorityclasses", true, evidence.Changes},
	"RuntimeClass":            {"node.k8s.io", "v1", "runtimeclasses", true, evidence.Changes},
	"HorizontalPodAutoscaler": {"autoscaling", "v2", "horizontalpodautoscalers", false, evidence.Changes},
	"PodDisruptionBudget":     {"policy", "v1", "poddisruptionbudgets", false, evidence.Changes},
	"EndpointSlice":           {"discovery.k8s.io", "v1", "endpointslices", false, evidence.Changes},
	"NetworkPolicy":           {"networking.k8s.io", "v1", "networkpolicies", false, evidence.Changes},
	"PodMetrics":              {"metrics.k8s.io", "v1beta1", "pods", false, evidence.Usage},
	"NodeMetrics":             {"metrics.k8s.io", "v1beta1", "nodes", true, evidence.Usage},
	"APIService":              {"apiregistration.k8s.io", "v1", "apiservices", true, evidence.Control},
}

// path returns the URL path of one object, or of a list when name is empty; of all namespaces when both are.
func (r resource) path(namespace, name string) string {
	root := "/api/v1"
	if r.group != "" {
		root = path.Join("/apis", r.group, r.version)
	}
	if namespace != "" && !r.cluster {
		root = path.Join(root, "namespaces", namespace)
	}
	return path.Join(root, r.plural, name)
}

// An api reads from an API server: objects without what nobody needs, and logs. It never writes.
type api struct {
	rest        *rest.RESTClient
	slots       chan struct{}
	limits      limits
	whole       bool // see Cluster
	services    bool // see Cluster
	pace        flowcontrol.RateLimiter
	host        string
	certificate []byte // the client's, to tell when it has expired
	serving     *atomic.Pointer[x509.Certificate]
	config      *rest.Config  // to ask kubelets
	kept        bool          // its connections stay, see Keep
	left        *atomic.Int64 // requests that may still be made; nil: any number
}

// A link is how an API server is reached, and the certificate that it showed last.
type link struct {
	config  *rest.Config
	web     *http.Client
	serving *atomic.Pointer[x509.Certificate]
}

func newLink(config *rest.Config) (*link, error) {
	c := rest.CopyConfig(config)
	c.QPS, c.RateLimiter = -1, nil // see pace
	c.APIPath, c.GroupVersion = "/api", &corev1.SchemeGroupVersion
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c.NegotiatedSerializer = serializer.NewCodecFactory(objectScheme).WithoutConversion()
	c.WarningHandler, c.WarningHandlerWithContext = rest.NoWarnings{}, nil
	if c.UserAgent == "" {
		c.UserAgent = "inquest"
	}
	if err := rest.LoadTLSFiles(c); err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	l := &link{config: c, serving: &atomic.Pointer[x509.Certificate]{}}
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return handshake{next, l.serving} })
	var err error
	if l.web, err = rest.HTTPClientFor(c); err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	l.web.CheckRedirect = stay
	return l, nil
}

// A keeper has a link for who reads all day long. It makes a new one from time to time, as files of certificates change.
type keeper struct {
	mu    sync.Mutex
	link  *link
	since time.Time
}

// keptTime is how long a link stays.
const keptTime = 10 * time.Minute

// Keep returns the cluster with connections that stay, and that all shares which is read of it from then on.
func (c Cluster) Keep() Cluster {
	c.keeper = &keeper{}
	return c
}

func (k *keeper) get(config *rest.Config) (*link, error) {
	if k == nil {
		return newLink(config)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.link != nil && time.Since(k.since) < keptTime {
		return k.link, nil
	}
	l, err := newLink(config)
	if err == nil {
		k.link, k.since = l, time.Now()
	}
	return l, err
}

// open returns an API of the cluster, to be closed.
func (c Cluster) open(within limits) (*api, error) {
	if within == (limits{}) {
		within = usualLimits
	}
	l, err := c.keeper.get(c.Config)
	if err != nil {
		return nil, err
	}
	client, err := rest.RESTClientForConfigAndClient(l.config, l.web)
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	return &api{
		rest: client, limits: within, slots: make(chan struct{}, underWay),
		pace: flowcontrol.NewTokenBucketRateLimiter(requestRate, burst), host: l.config.Host, certificate: l.config.CertData, serving: l.serving,
		config: l.config, kept: c.keeper != nil,
	}, nil
}

// close lets go of connections, unless they are kept.
func (a *api) close() {
	if !a.kept {
		utilnet.CloseIdleConnectionsFor(a.rest.Client.Transport)
	}
}

// stay follows no redirect. An API server has none of its own; it hands on what a pod behind its proxy answers, and the
// caller's credentials would go wherever that points.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// counted returns the same API for a number of requests.
func (a *api) counted(most int64) *api {
	own := *a
	own.left = &atomic.Int64{}
	own.left.Store(most)
	return &own
}

// spent counts a request, and tells whether it is one too many.
func (a *api) spent() bool { return a.left != nil && a.left.Add(-1) < 0 }

// do reads what is at a path into an object. The limit of a request counts from when its turn has come.
func (a *api) do(ctx context.Context, at string, opts metav1.ListOptions, into runtime.Object) error {
	if a.spent() {
		return errSpent
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return errLate
	}
	if err := a.pace.Wait(ctx); err != nil {
		return errLate
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.object)
	defer cancel()
	request := a.rest.Get().AbsPath(at).MaxRetries(0)
	for name, value := range map[string]string{
		"labelSelector": opts.LabelSelector, "fieldSelector": opts.FieldSelector, "continue": opts.Continue,
	} {
		if value != "" {
			request.Param(name, value)
		}
	}
	if opts.Limit > 0 {
		request.Param("limit", strconv.FormatInt(opts.Limit, 10))
	}
	err := request.Do(ctx).Into(into)
	if after, again := passing(err); again && waits(ctx, after) {
		return request.Do(ctx).Into(into)
	}
	return err
}

// passing tells whether what went wrong is over soon, and when to ask again: the API server says so where too much is asked of it, and a
// connection that was lost is made anew.
func passing(err error) (after time.Duration, is bool) {
	if seconds, says := apierrors.SuggestsClientDelay(err); says {
		return time.Duration(seconds) * time.Second, true
	}
	return time.Second, utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}

// waits does so, and tells whether there was time for that. Where there is none it does not wait: client-go would, and then say that time was
// up instead of why.
func waits(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// get reads one object.
func (a *api) get(ctx context.Context, ref evidence.Ref) (evidence.Object, error) {
	r := resources[ref.Kind]
	into, err := objectScheme.New(schema.GroupVersionKind{Group: r.group, Version: r.version, Kind: ref.Kind})
	if err != nil {
		return nil, err
	}
	if err := a.do(ctx, r.path(ref.Namespace, ref.Name), metav1.ListOptions{}, into); err != nil {
		return nil, err
	}
	o := into.(evidence.Object)
	mask(o)
	return o, nil
}

// A query is a list to read: a kind in a namespace (empty: in all), narrowed by selectors.
type query struct {
	kind, namespace string
	labels, fields  string
	onePage         bool // the first page is enough
}

// list reads a list page by page and returns what keep takes, and whether there was more than one page of it. What
// was read before an error is returned with the error. Kept objects are copies, so that a page can be let go.
func (a *api) list(ctx context.Context, q query, keep func(evidence.Object) bool) (kept []evidence.Object, more bool, err error) {
	r := resourceOf(q.kind)
	opts := metav1.ListOptions{LabelSelector: q.labels, FieldSelector: q.fields, Limit: pageSize}
	for {
		page, err := objectScheme.New(schema.GroupVersionKind{Group: r.group, Version: r.version, Kind: q.kind + "List"})
		if err != nil {
			return kept, more, err
		}
		if err := a.do(ctx, r.path(q.namespace, ""), opts, page); err != nil {
			return kept, more, err
		}
		err = apimeta.EachListItem(page, func(item runtime.Object) error {
			o := item.(evidence.Object)
			if keep == nil || keep(o) {
				mask(o)
				kept = append(kept, o.DeepCopyObject().(evidence.Object))
			}
			return nil
		})
		opts.Continue = page.(metav1.ListInterface).GetContinue()
		switch {
		case err != nil || opts.Continue == "" || q.onePage:
			return kept, opts.Continue != "", err
		case len(kept) > mostKept:
			return kept, true, fmt.Errorf("there are more than %d", mostKept)
		}
		more = true
	}
}

// log opens the log of a container: of the run before when previous is set, else of the newest one.
func (a *api) log(ctx context.Context, of evidence.Ref, previous bool, lines int64) (io.ReadCloser, error) {
	if a.spent() {
		return nil, errSpent
	}
	if err := a.pace.Wait(ctx); err != nil {
		return nil, errLate
	}
	return a.rest.Get().AbsPath(resources["Pod"].path(of.Namespace, of.Name), "log").MaxRetries(1).
		Param("container", of.Container).
		Param("previous", strconv.FormatBool(previous)).
		Param("timestamps", "true").
		Param("tailLines", strconv.FormatInt(lines, 10)).
		Param("limitBytes", strconv.Itoa(logWindow)).
		Stream(ctx)
}
