package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/spf13/pflag"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"helm.sh/helm/v4/pkg/strvals"
	"k8s.io/component-base/version"
)

// templateOptions is what `helm template` was asked for.
type templateOptions struct {
	name, chart, namespace string
	files, sets            []string
	includeCRDs            bool
}

// runHelm is `helm template`, with helm's own loader, values and engine, and nothing else of helm.
func runHelm(args []string) int {
	o, err := parseTemplate(args)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = renderChart(os.Stdout, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

func parseTemplate(args []string) (templateOptions, error) {
	var o templateOptions
	f := pflag.NewFlagSet("helm template", pflag.ContinueOnError)
	f.StringVarP(&o.namespace, "namespace", "n", "default", "what .Release.Namespace says")
	f.StringArrayVarP(&o.files, "values", "f", nil, "file with values; the last one wins")
	f.StringArrayVar(&o.sets, "set", nil, "values as k=v, over those from files")
	f.BoolVar(&o.includeCRDs, "include-crds", false, "also print the chart's crds/")
	f.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: helm template NAME CHART [flags]\n%s", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() != 3 || f.Arg(0) != "template" {
		return o, errors.New("want: helm template NAME CHART [flags]")
	}
	o.name, o.chart = f.Arg(1), f.Arg(2)
	return o, chartutil.ValidateReleaseName(o.name)
}

// renderChart writes the chart's CRDs if asked for, then its objects in the order in which helm would install them.
func renderChart(out io.Writer, o templateOptions) error {
	chart, err := loader.Load(o.chart)
	if err != nil {
		return err
	}
	values, err := mergeValues(o)
	if err != nil {
		return err
	}
	if err := chartutil.ProcessDependencies(chart, values); err != nil {
		return err
	}
	capabilities := common.DefaultCapabilities.Copy()
	kubeVersion, err := common.ParseKubeVersion("v" + version.DefaultKubeBinaryVersion + ".0")
	if err != nil {
		return err
	}
	capabilities.KubeVersion = *kubeVersion
	release := common.ReleaseOptions{Name: o.name, Namespace: o.namespace, Revision: 1, IsInstall: true}
	input, err := util.ToRenderValues(chart, values, release, capabilities)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(chart, input)
	if err != nil {
		return err
	}
	for name := range rendered {
		if strings.EqualFold(path.Base(name), "NOTES.txt") {
			delete(rendered, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(rendered, capabilities.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return err
	}
	if o.includeCRDs {
		for _, crd := range chart.CRDObjects() {
			printDocument(out, crd.Filename, string(crd.File.Data))
		}
	}
	for _, m := range manifests {
		printDocument(out, m.Name, m.Content)
	}
	for _, h := range hooks {
		printDocument(out, h.Path, h.Manifest)
	}
	return nil
}

func mergeValues(o templateOptions) (map[string]any, error) {
	values := map[string]any{}
	for _, file := range o.files {
		more, err := common.ReadValuesFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		values = loader.MergeMaps(values, more)
	}
	for _, set := range o.sets {
		if err := strvals.ParseInto(set, values); err != nil {
			return nil, fmt.Errorf("--set %s: %w", set, err)
		}
	}
	return values, nil
}

func printDocument(out io.Writer, source, content string) {
	fmt.Fprintf(out, "---\n# Source: %s\n%s\n", source, strings.TrimSpace(content))
}
