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
	api, err := newAPI(c.Config, patientLimits)
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
	token, err := v.agentToken(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("make a token of service account %s in namespace %s: %s", agentReader, agentNamespace, api.reason(ctx, err))
	}
	var list []record.Entry
	query = maps.Clone(query)
	for range mostPages {
		last, err := v.page(ctx, v.request(agents[0], token, path, query), func(e *record.Entry) { list = append(list, *e) })
		if err != nil {
			return list, fmt.Errorf("ask the agent of node %s: %s", node, api.reason(ctx, err))
		}
		if !last.More {
			return list, nil
		}
		if query == nil {
			query = url.Values{}
		}
		query.Set("since", strconv.FormatUint(*last.Next, 10))
	}
	return list, fmt.Errorf("the agent of node %s has more than %d answers hold", node, mostPages)
}
