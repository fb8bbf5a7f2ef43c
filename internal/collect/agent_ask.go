// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strconv"
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

// patientLimits are for a whole record, which may be 64 MiB on a node that has much to do. Nobody is kept from a diagnosis by it.
var patientLimits = limits{object: 10 * time.Second, log: time.Minute}

// AskAgent returns what the agent of a node answers, with secrets masked: one of the paths above, of everything that the user may
// read. An error says why there is none.
func (c Cluster) AskAgent(ctx context.Context, node, path string, query url.Values) ([]record.Entry, error) {
	api, err := c.open(patientLimits)
	if err != nil {
		return nil, err
	}
	defer api.close()
	ref := evidence.RefTo("Node", "", node)
	v := &visit{api: api, about: ref, progress: func(string) {}, asked: map[evidence.Ref]bool{}}
	v.s.Taken = time.Now().UTC()
	if _, err := v.first(ctx, ref); err != nil {
		return nil, api.explain(err)
	}
	agents := v.findAgents(ctx, nil)
	if len(agents) == 0 {
		why := v.s.Gaps[0].Why
		if why == NoAgent {
			why = "it has no agent: deploy/agent/README.md is how to have one"
		}
		return nil, fmt.Errorf("node %s: %s", node, why)
	}
	token, err := v.agentToken(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("ask the agent of node %s: %s", node, v.agentWhy(ctx, err, needToken))
	}
	var list []record.Entry
	query = maps.Clone(query)
	hidden := 0
	for range mostPages {
		last, err := v.page(ctx, v.request(agents[0], token, path, query), func(e *record.Entry) {
			if e.Log != nil {
				e.Log.Text, _ = Redact(e.Log.Text)
			}
			list = append(list, *e)
		})
		if err != nil {
			return list, fmt.Errorf("ask the agent of node %s: %s", node, v.agentWhy(ctx, err, needProxy))
		}
		if hidden += last.Hidden; !last.More {
			if hidden > 0 {
				list = append(list, record.Entry{Gap: &record.Gap{About: ref, What: "record", Why: hiddenText(hidden)}})
			}
			return list, nil
		}
		if query == nil {
			query = url.Values{}
		}
		query.Set("since", strconv.FormatUint(*last.Next, 10))
	}
	return list, fmt.Errorf("the agent of node %s has more than %d answers hold", node, mostPages)
}
