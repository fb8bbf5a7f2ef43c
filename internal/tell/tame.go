// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// taming replaces what chats and the templates of alerts act on by what looks the same and does nothing: tags and
// mentions in angle brackets, code, links, spoilers, bold text. Backslashes are no way out: half of the chats show them.
var taming = strings.NewReplacer(
	"<", "‹", ">", "›", "`", "'", "*", "∗", "||", "¦¦", "~~", "∼∼", "__", "＿＿", "](", "] (", "://", ":⁄⁄", "{{", "{ {",
)

// summons matches where a chat looks for people or all of them.
var summons = regex.New(`@(everyone|here|channel|all|room)\b|(^|[^\pL\pN_])@`)

// tame makes text from the cluster, which is safe on a terminal already, harmless in a chat.
func tame(s string) string {
	s = taming.Replace(s)
	return summons.ReplaceAllStringFunc(s, func(at string) string { return strings.Replace(at, "@", "＠", 1) })
}
