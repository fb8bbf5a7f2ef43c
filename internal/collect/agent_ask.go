// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// What a node's agent is asked for beside a question.
const (
	AgentRuns       = "/v1/runs"       // what the runtime has now
	AgentRecord     = "/v1/entries"    // all that is kept
	AgentSaturation = "/v1/saturation" // how much of the node is in use now
)

// AskAgent returns what the agent of a node answers, with secrets masked: one of the paths above, of everything that the user may
// read. An error says why there is none.
func (c Cluster) AskAgent(ctx context.Context, node, path string, query url.Values) ([]record.Entry, error) {
	api, err := newAPI(c.Config, usualLimits)
	if err != nil {
		return nil, err
	}
	ref := evidence.RefTo("Node", "", node)
	v := &visit{api: api, about: ref, progress: func(string) {}, asked: map[evidence.Ref]bool{}}
	v.s.Taken = time.Now().UTC()
	if _, err := v.first(ctx, ref); err != nil {
		return nil, api.explain(err)
	}
	agents := v.findAgents(ctx, nil)
	if len(agents) == 0 {
		return nil, fmt.Errorf("node %s: %s: deploy/agent is how to have one", node, v.s.Gaps[0].Why)
	}
	token, err := v.agentToken(ctx)
	if err != nil {
		return nil, fmt.Errorf("make a token of service account %s in namespace %s: %s", agentReader, agentNamespace, api.reason(ctx, err))
	}
	ctx, cancel := context.WithTimeout(ctx, api.limits.visit)
	defer cancel()
	body, err := v.request(agents[0], token, path, query).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the agent of node %s: %s", node, api.reason(ctx, err))
	}
	defer body.Close()
	return maskedEntries(io.LimitReader(body, mostEntries))
}

// maskedEntries reads entries, without what must not be seen in the words of programs.
func maskedEntries(r io.Reader) ([]record.Entry, error) {
	var list []record.Entry
	for d := json.NewDecoder(r); ; {
		var e record.Entry
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return list, fmt.Errorf("read what the agent says: %w", err)
		}
		switch {
		case e.Fact != nil:
			e.Fact.Text, _ = Redact(e.Fact.Text)
		case e.Run != nil:
			e.Run.Message, _ = Redact(e.Run.Message)
			for i := range e.Run.Command {
				e.Run.Command[i], _ = Redact(e.Run.Command[i])
			}
		case e.Gap == nil: // the last line, which says where to go on
			continue
		}
		list = append(list, e)
	}
}
