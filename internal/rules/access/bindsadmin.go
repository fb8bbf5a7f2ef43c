// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BindsAdmin recognises a binding that grants everything, or to everybody.
var BindsAdmin = &diagnosis.Rule{
	ID:    "RBC103",
	Title: "Binding grants a cluster to too many",
	Doc: `
The binding gives cluster-admin to an account, or any role to everybody: to system:anonymous, to system:unauthenticated, to all
authenticated users, to all service accounts, or to the default account of a namespace, which every pod there has that names no other. To all service accounts
of one namespace it gives cluster-admin, admin or edit.

**How it is told from its look-alikes.** cluster-admin for a group of people is usual, and is left alone, as are the roles for discovery that
Kubernetes itself gives to everybody.

**What to do.** Give the account a role of its own with what it needs.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		role, subjects := binding(p)
		if slices.Contains(discovery, role) {
			return
		}
		for i, s := range subjects {
			if !everybody(s) && !everyAccountOf(s, role) && (role != "cluster-admin" || s.Kind == "Group") {
				continue
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible,
				Message:    fmt.Sprintf("%s gives %s to %s %s", p.About(), role, s.Kind, s.Name),
				Facts:      []evidence.Fact{cite(p, fmt.Sprintf("subjects[%d]", i), s.Kind+" "+s.Name)},
				Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Give %s %s a role with only what it needs", s.Kind, s.Name)}},
			})
		}
	},
}

// discovery are the roles that Kubernetes itself binds to everybody.
var discovery = []string{"system:discovery", "system:basic-user", "system:public-info-viewer"}

func everybody(s rbacv1.Subject) bool {
	return s.Name == "system:anonymous" || s.Name == "system:unauthenticated" || s.Name == "system:authenticated" || s.Name == "system:serviceaccounts" ||
		s.Kind == "ServiceAccount" && s.Name == "default"
}

// wide are the default roles that lead to the rights of any account of a namespace.
var wide = []string{"cluster-admin", "admin", "edit"}

// everyAccountOf tells whether all accounts of a namespace get a wide role. A narrow one, as for pulling images, is usual.
func everyAccountOf(s rbacv1.Subject, role string) bool {
	return s.Kind == "Group" && strings.HasPrefix(s.Name, "system:serviceaccounts:") && slices.Contains(wide, role)
}

func binding(p *diagnosis.Pass) (role string, to []rbacv1.Subject) {
	switch o := p.Object(p.About()).(type) {
	case *rbacv1.RoleBinding:
		return o.RoleRef.Name, o.Subjects
	case *rbacv1.ClusterRoleBinding:
		return o.RoleRef.Name, o.Subjects
	}
	return "", nil
}
