// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// BadConfig recognises a program that ends because its configuration is not there or cannot be understood.
var BadConfig = &diagnosis.Rule{
	ID:    "EXT011",
	Title: "Program cannot use its configuration",
	Doc: `
The program read its configuration and ended: the file is not where it looks, or it does not parse, or it holds a key or a value
that this version does not know. Nothing is wrong with the container.

**How it is told from its look-alikes.** By the words of parsers, loaders and servers in what it said last. A file that is there
and may not be read is a matter of permissions, a variable that is not set one of the environment, and an option on the command
line one of the arguments: each has a rule of its own. An application error that only mentions configuration on its way
to a dependency that refused is not this.

**What to do.** Compare the file with what the program's version expects, and the path with where the volume is mounted. If it worked
before, look at what changed in the ConfigMap just before the first failure: programs that mount one see the change without
a rollout and fail at their next start.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != configBroken {
			return
		}
		why, fix := "it cannot use its configuration: ", diagnosis.Fix{Title: "Correct the configuration that the message names"}
		if low := strings.ToLower(e.said); noFile.MatchString(low) && !strings.Contains(low, "conf") {
			why, fix.Title = "it does not find a file that it needs: ", "Put the file where the message says, or correct the path"
		}
		f := e.finding(p, why+e.said, fix)
		for _, v := range p.PodSpec().Volumes {
			for _, m := range specOf(p).VolumeMounts {
				if m.Name == v.Name && v.ConfigMap != nil {
					mount := p.CiteSpec("volumeMounts["+m.MountPath+"]", "")
					mount.Text = "mountPath " + m.MountPath + ", name " + m.Name
					f.Facts = append(f.Facts, mount, evidence.Fact{
						Kind: evidence.Spec, Source: evidence.FromSpec, About: e.Of.Object(), Where: "spec.volumes[" + v.Name + "].configMap", Text: "name " + v.ConfigMap.Name,
					})
					f.Fixes[0].Command = fmt.Sprintf("kubectl -n %s get configmap %s -o yaml", e.Of.Namespace, v.ConfigMap.Name)
				}
			}
		}
		p.Report(f)
	},
}

var noFile = regex.New(`enoent|no such file|filenotfound|nosuchfile|does not exist`)
