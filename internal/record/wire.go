// SPDX-License-Identifier: Apache-2.0

package record

import "time"

// What a reader of an agent and the agent agree on, beside the form of entries.
const (
	// TokenHeader carries it, for the API server's proxy to pods takes the Authorization header away.
	TokenHeader = "Inquest-Token"
	// MissingHeader says, in a person's words, what is missing of a log; it is not there when nothing is.
	MissingHeader = "Inquest-Missing"
	// Group is that of Resource.
	Group = "kubeinquest.io"
	// Resource is what the right to read an agent is a right to get, by the name of its node.
	Resource = "nodefacts"
)

// Audience is what a token for the agent of a node is made for. It opens that one and nothing else: whoever has a node and gets
// hold of tokens that were shown to its agent cannot show them to another.
func Audience(node string) string { return "inquest-agent/" + node }

// A Tail is the last line of an answer of entries: an answer without one was cut short. An answer that follows the record
// has one in between as well, whenever nothing was new for a while.
type Tail struct {
	Next  uint64    `json:"next"` // the number to ask for next, as ?since=; of the entries before it nothing was left out
	First uint64    `json:"first"`
	Ring  string    `json:"ring"` // of the record that numbers are of: ask with ?ring= too, and a new record is read from its beginning
	Node  string    `json:"node"`
	Now   time.Time `json:"now"` // by the node's clock
	// Hidden counts the entries about pods whose logs the reader may not read.
	Hidden int `json:"hidden,omitempty"`
	// More says that a limit ended the answer and not the end of the record.
	More bool `json:"more,omitempty"`
	// Error says why the answer ended before its time.
	Error string `json:"error,omitempty"`
	// Features says of each source of evidence that is missing why; a source that works is "".
	Features map[string]string `json:"features"`
}
