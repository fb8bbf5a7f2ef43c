// SPDX-License-Identifier: Apache-2.0

package scan

// matters is how much the findings of our rules matter where the policy says nothing: an error is refused, never starts or never works;
// a warning is a restart or an outage that waits for its day; a note is a habit. What is not here is a warning.
var matters = map[string]Severity{
	"CFG103": Error, "IMG102": Error, "MAN101": Error, "MAN102": Error, "MAN104": Error, "MAN105": Error, "MEM101": Error,
	"PRB104": Error, "RES104": Error, "RES105": Error, "SEC101": Error, "SEC103": Error, "SEC107": Error, "SET102": Error, "SET104": Error,
	"SET108": Error, "WRK101": Error, "WRK102": Error, "CFG101": Error,
	"MAN106": Note, "RBC104": Note, "RES103": Note, "RES107": Note, "SEC104": Note, "SEC106": Note, "SET105": Note, "SET113": Note, "WRK103": Note,
}
