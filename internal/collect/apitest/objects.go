// SPDX-License-Identifier: Apache-2.0

package apitest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func (s *Server) get(w http.ResponseWriter, r *http.Request, at place) {
	s.mu.Lock()
	o := s.objects[at.ref]
	s.mu.Unlock()
	if o == nil {
		s.refuse(w, r, http.StatusNotFound, at.ref.Name, notFound(at))
		return
	}
	s.write(w, r, http.StatusOK, o.DeepCopyObject()) // the encoder writes the kind into it
}

// list answers with the objects of a kind, narrowed by selectors, in pages when a limit is given.
func (s *Server) list(w http.ResponseWriter, r *http.Request, at place) {
	query := r.URL.Query()
	byLabel, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, "", err.Error())
		return
	}
	byField, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, "", err.Error())
		return
	}
	var items []runtime.Object
	for _, o := range s.sorted(at.ref) {
		if byLabel.Matches(labels.Set(o.GetLabels())) && byField.Matches(fieldsOf(o)) {
			items = append(items, o)
		}
	}
	from, _ := strconv.Atoi(query.Get("continue"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	items = items[min(from, len(items)):]
	page, err := s.scheme.New(at.version.WithKind(at.ref.Kind + "List"))
	if err != nil {
		s.refuse(w, r, http.StatusInternalServerError, "", err.Error())
		return
	}
	if limit > 0 && len(items) > limit {
		items = items[:limit]
		page.(metav1.ListInterface).SetContinue(strconv.Itoa(from + limit))
	}
	if err := apimeta.SetList(page, items); err != nil {
		s.refuse(w, r, http.StatusInternalServerError, "", err.Error())
		return
	}
	s.write(w, r, http.StatusOK, page)
}

// sorted returns the objects of one kind, in a namespace or in all, by namespace and name.
func (s *Server) sorted(of evidence.Ref) []evidence.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []evidence.Object
	for ref, o := range s.objects {
		if ref.Kind == of.Kind && (of.Namespace == "" || ref.Namespace == of.Namespace) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b evidence.Object) int { return evidence.RefOf(a).Compare(evidence.RefOf(b)) })
	return list
}

// fieldsOf returns the fields that a selector may name.
func fieldsOf(o evidence.Object) fields.Set {
	set := fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()}
	switch o := o.(type) {
	case *corev1.Pod:
		set["spec.nodeName"] = o.Spec.NodeName
	case *corev1.Event:
		set["involvedObject.kind"] = o.InvolvedObject.Kind
		set["involvedObject.name"] = o.InvolvedObject.Name
		set["involvedObject.namespace"] = o.InvolvedObject.Namespace
		set["involvedObject.uid"] = string(o.InvolvedObject.UID)
	}
	return set
}

// refuse answers with a Status, which names an object only when name is given.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, code int, name, message string) {
	reasons := map[int]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusForbidden: metav1.StatusReasonForbidden,
		http.StatusUnauthorized: metav1.StatusReasonUnauthorized, http.StatusBadRequest: metav1.StatusReasonBadRequest,
		http.StatusInternalServerError: metav1.StatusReasonInternalError,
	}
	s.write(w, r, code, &metav1.Status{
		Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code], Message: message,
		Details: &metav1.StatusDetails{Name: name},
	})
}

// write encodes an object the way that the client prefers.
func (s *Server) write(w http.ResponseWriter, r *http.Request, code int, o runtime.Object) {
	contentType := runtime.ContentTypeJSON
	if strings.Contains(r.Header.Get("Accept"), runtime.ContentTypeProtobuf) {
		contentType = runtime.ContentTypeProtobuf
	}
	info, _ := runtime.SerializerInfoForMediaType(s.codecs.SupportedMediaTypes(), contentType)
	data, err := runtime.Encode(runtime.WithVersionEncoder{Encoder: info.Serializer, ObjectTyper: s.scheme}, o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(code)
	_, _ = w.Write(data) // a client that has gone needs no answer
}
