package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A chart that uses what charts commonly use: values, helpers, a schema, capabilities, crds/ and notes.
var chartFiles = map[string]string{
	"Chart.yaml":         "apiVersion: v2\nname: demo\nversion: 1.2.3\n",
	"values.yaml":        "replicas: 1\nlabels: {}\n",
	"values.schema.json": `{"properties": {"replicas": {"type": "integer", "minimum": 1}}}`,
	"crds/thing.yaml":    "kind: CustomResourceDefinition\n",
	"templates/_name.tpl": `{{ define "demo.name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
`,
	"templates/NOTES.txt": "not a manifest\n",
	"templates/a.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "demo.name" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{ toYaml .Values.labels | nindent 4 }}
spec: {replicas: {{ .Values.replicas }}}
`,
	"templates/b.yaml": `{{ if .Capabilities.APIVersions.Has "policy/v1" }}
kind: ServiceAccount
metadata: {name: for-{{ .Capabilities.KubeVersion.Version }}}
{{ end }}`,
}

func TestHelmTemplate(t *testing.T) {
	chart, values := writeChart(t)
	got := mustRender(t, "template", "rel", chart, "-n", "prod", "-f", values, "--set", "replicas=3,labels.b=two")
	for _, want := range []string{
		"name: rel-demo\n  namespace: prod", "a: one", "b: two", "spec: {replicas: 3}",
		"# Source: demo/templates/a.yaml", "name: for-v1.36.0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Index(got, "kind: ServiceAccount") > strings.Index(got, "kind: Deployment") {
		t.Errorf("not in the order of installing:\n%s", got)
	}
	if strings.Contains(got, "not a manifest") || strings.Contains(got, "CustomResourceDefinition") {
		t.Errorf("prints notes or CRDs that nobody asked for:\n%s", got)
	}
	with := mustRender(t, "template", "rel", chart, "--include-crds")
	if !strings.HasPrefix(with, "---\n# Source: demo/crds/thing.yaml\nkind: CustomResourceDefinition\n---\n") {
		t.Errorf("--include-crds does not print them first:\n%s", with)
	}
}

func TestHelmTemplateRefuses(t *testing.T) {
	chart, _ := writeChart(t)
	for args, want := range map[string]string{
		"template rel " + chart + " --set replicas=0": "minimum",
		"template rel " + chart + "/absent":           "no such file",
		"template Not_A_Name " + chart:                "release name",
		"install rel " + chart:                        "want: helm template",
	} {
		o, err := parseTemplate(strings.Fields(args))
		if err == nil {
			err = renderChart(&strings.Builder{}, o)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("helm %s: got %v, want an error with %q", args, err, want)
		}
	}
}

func writeChart(t *testing.T) (chart, values string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range chartFiles {
		write(t, filepath.Join(dir, "demo", name), text)
	}
	values = filepath.Join(dir, "values.yaml")
	write(t, values, "replicas: 2\nlabels: {a: one}\n")
	return filepath.Join(dir, "demo"), values
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustRender(t *testing.T, args ...string) string {
	t.Helper()
	o, err := parseTemplate(args)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := renderChart(&out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
