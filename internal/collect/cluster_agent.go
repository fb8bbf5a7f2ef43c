// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// Where node agents are, and what reads them: see deploy/agent.
const (
	agentNamespace  = "inquest"
	agentLabel      = "app.kubernetes.io/name=inquest-agent"
	agentReader     = "inquest-reader" // the ServiceAccount whose token is shown to agents
	agentPort       = 9437             // where the pod does not say another
	tokenSeconds    = 600              // the least that an API server grants (kubernetes pkg/apis/authentication/validation)
	mostAgents      = 20               // that are asked for one question
	mostEntries     = 24 << 20         // bytes of one answer of an agent: half of it is the record, the rest what is so now
	mostAgentPods   = 50               // that are named to an agent; of more it is asked for everything
	entriesAPage    = 50_000
	mostPages       = 8               // of 12 MiB: an agent keeps 64 MiB unless told otherwise
	fewAgentPods    = 5               // of which an agent gives more logs than the last
	logsFromAgents  = 4               // of one pod
	NoAgent         = "no node agent" // why a gap is there of a node that has none
	noneToAskBeside = "no pod of it is on a node whose agent could be asked"
)

// An agent is one that can be asked.
type agent struct {
	node string
	pod  *corev1.Pod   // nil: there is none that runs
	idle *corev1.Pod   // one that does not
	pods []*corev1.Pod // that are asked about
}

// agents reads what node agents keep of pods and their nodes: the kernel's word, who sent a signal, each run and its log. Where
// there is none, that is a gap.
func (v *visit) agents(ctx context.Context, pods []*corev1.Pod) {
	agents := v.findAgents(ctx, pods)
	if len(agents) == 0 {
		return
	}
	var group sync.WaitGroup
	for _, a := range agents {
		v.together(&group, func() {
			if err := v.askAgent(ctx, a); err != nil {
				v.gap(evidence.Host, evidence.RefTo("Node", "", a.node), "its agent was not heard: "+v.agentWhy(ctx, err, needProxy))
			}
		})
	}
	group.Wait()
}

// findAgents returns the agents on the nodes in question.
func (v *visit) findAgents(ctx context.Context, pods []*corev1.Pod) []agent {
	on := map[string]*agent{}
	if v.about.Kind == "Node" {
		on[v.about.Name] = &agent{node: v.about.Name}
	}
	for _, pod := range pods {
		if name := pod.Spec.NodeName; name != "" {
			if on[name] == nil {
				on[name] = &agent{node: name}
			}
			on[name].pods = append(on[name].pods, pod)
		}
	}
	if len(on) == 0 {
		v.gap(evidence.Host, evidence.Cluster, noneToAskBeside)
		return nil
	}
	q := query{kind: "Pod", namespace: agentNamespace, labels: agentLabel}
	if len(on) == 1 {
		for name := range on {
			q.fields = "spec.nodeName=" + name
		}
	}
	found, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		return on[o.(*corev1.Pod).Spec.NodeName] != nil
	})
	if err != nil {
		why := v.api.why(ctx, err, "list", "Pod", agentNamespace)
		if apierrors.IsForbidden(err) {
			why += ": " + grantsIt
		}
		v.gap(evidence.Host, evidence.Cluster, "no node agent is known of: "+why)
		return nil
	}
	for _, o := range found {
		pod := o.(*corev1.Pod)
		on[pod.Spec.NodeName].offer(pod)
	}
	return v.reachable(on)
}

// reachable returns the agents that are asked, in order, and notes the nodes whose agent is not.
func (v *visit) reachable(on map[string]*agent) []agent {
	list := v.agentsOn(on)
	for _, a := range list[min(len(list), mostAgents):] {
		v.gap(evidence.Host, evidence.RefTo("Node", "", a.node), fmt.Sprintf("its agent was not asked: of many nodes %d are", mostAgents))
	}
	return list[:min(len(list), mostAgents)]
}

// agentsOn returns the agents that there are, in order, and notes the nodes without one.
func (v *visit) agentsOn(on map[string]*agent) []agent {
	var list []agent
	var without []string
	for name, a := range on {
		if a.pod == nil {
			without = append(without, name)
			continue
		}
		list = append(list, *a)
	}
	slices.Sort(without)
	slices.SortFunc(list, func(a, b agent) int { return cmp.Compare(a.node, b.node) })
	none := len(list) == 0 && !slices.ContainsFunc(without, func(name string) bool { return on[name].idle != nil })
	if none {
		v.gap(evidence.Host, evidence.Cluster, NoAgent)
		return nil
	}
	for _, name := range without {
		v.gap(evidence.Host, evidence.RefTo("Node", "", name), on[name].without())
	}
	return list
}

// agentToken has a token made that the agent of that node alone accepts.
func (v *visit) agentToken(ctx context.Context, node string) (string, error) {
	if v.api.spent() {
		return "", errSpent
	}
	visiting := ctx
	ctx, cancel := context.WithTimeout(ctx, v.api.limits.object)
	defer cancel()
	seconds := int64(tokenSeconds)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{record.Audience(node)}, ExpirationSeconds: &seconds}}
	at := resource{plural: "serviceaccounts"}.path(agentNamespace, agentReader) + "/token"
	var made authenticationv1.TokenRequest
	if err := v.api.rest.Post().AbsPath(at).Body(request).MaxRetries(0).Do(ctx).Into(&made); err != nil {
		return "", fmt.Errorf("no token of service account %s in namespace %s could be had: %s", agentReader, agentNamespace, v.agentWhy(visiting, err, needToken))
	}
	if made.Status.Token == "" {
		return "", errors.New("the API server made no token")
	}
	return made.Status.Token, nil
}

// request is one to an agent, by the API server's proxy.
func (v *visit) request(a agent, token, path string, query url.Values) *rest.Request {
	port := agentPort
	for i := range a.pod.Spec.Containers {
		for _, p := range a.pod.Spec.Containers[i].Ports {
			port = int(p.ContainerPort)
		}
	}
	at := resources["Pod"].path(agentNamespace, "https:"+a.pod.Name+":"+strconv.Itoa(port)) + "/proxy" + path
	r := v.api.rest.Get().AbsPath(at).MaxRetries(0).SetHeader(record.TokenHeader, token).SetHeader("Accept", "*/*")
	for name, values := range query {
		for _, value := range values {
			r.Param(name, value)
		}
	}
	return r
}

// askAgent reads the record of one agent, and the logs that the API server does not have.
func (v *visit) askAgent(ctx context.Context, a agent) error {
	token, err := v.agentToken(ctx, a.node)
	if err != nil {
		return err
	}
	if v.api.spent() {
		return errSpent
	}
	query := url.Values{}
	uids := map[string]*corev1.Pod{}
	for _, pod := range a.pods {
		uids[uidOnNode(pod)] = pod
		if len(a.pods) <= mostAgentPods {
			query.Add("pod", uidOnNode(pod))
		}
	}
	query.Set("now", "1")
	query.Set("logs", strconv.Itoa(v.logsAsked(len(a.pods))))
	heard := &hearing{most: int(cmp.Or(v.sel.LogBytes, logBytes)), node: evidence.RefTo("Node", "", a.node), pods: uids, runs: map[evidence.Ref]*record.Run{}}
	if err := v.hear(ctx, a, token, query, heard); err != nil {
		if len(heard.facts)+len(heard.runs) == 0 {
			return err
		}
		heard.gaps = append(heard.gaps, evidence.Gap{Kind: evidence.Host | evidence.Signals, About: heard.node, Why: "its agent was not heard out: " + v.agentWhy(ctx, err, needProxy)})
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Has |= evidence.Host | evidence.Signals
	v.heard = append(v.heard, heard.node)
	v.s.Facts = append(append(v.s.Facts, heard.facts...), v.commands(heard.runs)...)
	v.s.Gaps = append(v.s.Gaps, heard.gaps...)
	for _, r := range heard.runs {
		v.s.Runs = append(v.s.Runs, attemptOfRun(r))
	}
	v.keepLogs(heard)
	v.keepUsage(heard)
	return nil
}

// uidOnNode is the UID by which kubelet and runtime know a pod: of one that is made of a file on the node, whose mirror in the
// API has another, it is what the mirror says is the file's hash (kubernetes pkg/kubelet/config/common.go, applyDefaults).
func uidOnNode(pod *corev1.Pod) string {
	return cmp.Or(pod.Annotations[corev1.MirrorPodAnnotationKey], string(pod.UID))
}

// hear reads the record of an agent, page by page.
func (v *visit) hear(ctx context.Context, a agent, token string, query url.Values, h *hearing) error {
	query.Set("limit", strconv.Itoa(entriesAPage))
	for page := range mostPages {
		if page > 0 && v.api.spent() {
			return errSpent
		}
		last, err := v.page(ctx, v.request(a, token, AgentRecord, query), h.take)
		if err != nil {
			return fmt.Errorf("read its record: %w", err)
		}
		h.hidden += last.Hidden
		if !last.More {
			h.now(last.Features)
			return nil
		}
		query.Set("since", strconv.FormatUint(*last.Next, 10))
	}
	return fmt.Errorf("its record has more than %d pages", mostPages)
}

// page reads one answer of an agent.
func (v *visit) page(ctx context.Context, request *rest.Request, take func(*record.Entry)) (ending, error) {
	ctx, cancel := context.WithTimeout(ctx, v.api.limits.log)
	defer cancel()
	body, err := request.Stream(ctx)
	if err != nil {
		return ending{}, err
	}
	defer body.Close()
	return readEntries(io.LimitReader(body, mostEntries), take)
}

// keepLogs keeps the logs of ended runs that could not be had from the API server.
func (v *visit) keepLogs(heard *hearing) {
	for _, l := range heard.logs {
		run := heard.runs[l.Of]
		read := func(known evidence.Log) bool { return known.Of == l.Of && known.Text != "" }
		if run == nil || run.Finished.IsZero() || l.Text+l.Missing == "" || slices.ContainsFunc(v.s.Logs, read) {
			continue
		}
		if l.Text == "" {
			v.s.Gaps = append(v.s.Gaps, evidence.Gap{Kind: evidence.Logs, About: l.Of, Why: "its agent did not send it: " + l.Missing + "; ask about this pod alone"})
			continue
		}
		v.s.Logs = append(slices.DeleteFunc(v.s.Logs, func(known evidence.Log) bool { return known.Of == l.Of }), l)
		v.s.Has |= evidence.Logs
		v.s.Gaps = slices.DeleteFunc(v.s.Gaps, func(g evidence.Gap) bool { return g.Kind == evidence.Logs && g.About == l.Of })
	}
}

// keepUsage notes which pods an agent has told the usage of: nobody else need be asked for it.
func (v *visit) keepUsage(heard *hearing) {
	for _, f := range heard.facts {
		if f.Kind != evidence.Usage || f.About.Kind != "Pod" {
			continue
		}
		v.s.Has |= evidence.Usage
		if run := heard.runs[f.About]; run == nil || run.Finished.IsZero() {
			v.told[f.About.Object()] = true
		}
	}
}

// logsAsked is how many logs of each pod an agent is asked for: of few pods some runs before the last, which may tell what that does not.
func (v *visit) logsAsked(pods int) int {
	switch {
	case v.sel.NoLogs, pods > mostAgentPods:
		return 0
	case pods > fewAgentPods:
		return 1
	}
	return logsFromAgents
}

// A hearing is what one agent says of the pods in question and of its node.
type hearing struct {
	node  evidence.Ref
	pods  map[string]*corev1.Pod // by UID
	facts []evidence.Fact
	gaps  []evidence.Gap
	runs  map[evidence.Ref]*record.Run

	hidden int // entries that its reader may not see
	logs   []evidence.Log
	most   int // bytes of one
}

// An ending is the last value of an agent's answer, without which it broke off.
type ending struct {
	Next *uint64 `json:"next"`
	More bool    `json:"more"` // a limit ended it, and not the end of the record
	// Hidden counts the entries about pods whose logs the reader may not read.
	Hidden int    `json:"hidden"`
	Error  string `json:"error"` // why it ended before its time
	// Features says of each source of evidence why it does not work now, "" where it does.
	Features map[string]string `json:"features"`
}

// readEntries hands on the entries of an answer, one JSON value after the other, and returns how it ended.
func readEntries(r io.Reader, take func(*record.Entry)) (ending, error) {
	for d := json.NewDecoder(r); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return ending{}, io.ErrUnexpectedEOF
		} else if err != nil {
			return ending{}, err
		}
		var last ending
		if err := json.Unmarshal(raw, &last); err != nil {
			return ending{}, err
		}
		switch {
		case last.Next != nil && last.Error != "":
			return ending{}, errors.New(flatten(last.Error))
		case last.Next != nil:
			return last, nil
		}
		var e record.Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return ending{}, err
		}
		maskEntry(&e)
		take(&e)
	}
}

// maskEntry takes out what must not be seen of the words of programs.
func maskEntry(e *record.Entry) {
	switch {
	case e.Fact != nil:
		e.Fact.Text, _ = Redact(e.Fact.Text)
	case e.Run != nil:
		e.Run.Message, _ = Redact(e.Run.Message)
		redactImage(&e.Run.Image)
		redactImage(&e.Run.Digest)
		redactArgs(e.Run.Command)
		redactArgs(e.Run.Settings)
	case e.Log != nil: // of its text the end that is kept
		e.Log.Missing, _ = Redact(e.Log.Missing)
	case e.Gap != nil:
		e.Gap.Why, _ = Redact(e.Gap.Why)
	}
}

// take keeps an entry about the node, or about a pod in question. An agent is believed about its own node only, and a name
// may be that of an earlier pod.
func (h *hearing) take(e *record.Entry) {
	about := e.About()
	pod := h.pods[e.PodUID]
	if about.Kind == "Pod" && (pod == nil || evidence.RefOf(pod) != about.Object()) || about.Kind != "Pod" && about != h.node {
		return
	}
	switch {
	case e.Fact != nil:
		h.facts = append(h.facts, *e.Fact)
	case e.Run != nil && about.Container != "" && about.Attempt >= 0:
		h.runs[about] = e.Run
	case e.Gap != nil && e.Gap.About == about:
		h.missed(e)
	case e.Log != nil && about.Container != "" && about.Attempt >= 0:
		h.logs = append(h.logs, h.end(e.Log))
	}
}

// end is the end of a log that an agent keeps, with secrets masked.
func (h *hearing) end(l *record.Log) evidence.Log {
	end := &tail{max: h.most}
	_, _ = io.WriteString(end, l.Text) // into memory
	text, cut := end.text()
	log := evidence.Log{Of: l.Of, Missing: flatten(l.Missing)}
	if cut {
		log.Missing = "everything before the last " + size(len(text), int64(h.most))
	}
	log.Text, log.Masked = Redact(text)
	return log
}

// absent are the kinds of evidence that there is none of where an agent has a feature not at all. What else it lacks, others
// may have.
var absent = map[string]evidence.Kind{"kernel": evidence.Host, "signals": evidence.Signals}

// missed notes what an agent did not see, as a fact: the rest counts all the same.
func (h *hearing) missed(e *record.Entry) {
	at := e.Gap.To
	if at.IsZero() {
		at = e.Gap.From
	}
	kind := evidence.Host
	if e.Gap.What == "signals" {
		kind = evidence.Signals
	}
	h.facts = append(h.facts, evidence.Fact{
		Kind: kind, Source: evidence.FromRuntime, About: e.Gap.About, At: at, Where: "agent", Name: "missed", Text: gapText(e.Gap), Value: float64(e.Gap.Count),
	})
}

// now has a gap for each feature that does not work, and for what may not be seen.
func (h *hearing) now(features map[string]string) {
	if h.hidden > 0 {
		h.gaps = append(h.gaps, evidence.Gap{Kind: evidence.Host | evidence.Signals, About: h.node, Why: hiddenText(h.hidden)})
	}
	for what, kind := range absent {
		if why := features[what]; why != "" {
			h.gaps = append(h.gaps, evidence.Gap{Kind: kind, About: h.node, Why: gapText(&record.Gap{What: what, Why: why})})
		}
	}
}

func hiddenText(n int) string {
	return fmt.Sprintf("its agent hides %d entries about pods whose logs service account %s may not read", n, agentReader)
}

// gapText says what an agent missed.
func gapText(g *record.Gap) string {
	text := flatten(g.What) + ": " + flatten(g.Why)
	if g.Count > 0 {
		text += fmt.Sprintf(" (%d %s)", g.Count, flatten(g.Unit))
	}
	text, _ = Redact(text)
	return text
}
