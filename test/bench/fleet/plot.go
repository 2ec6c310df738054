// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
)

// The plot's measures, in pixels.
const (
	panelWidth, panelHeight = 340, 210
	margin, gap             = 46, 30
	perRow                  = 3
)

// colours tell sizes apart, also for the colour-blind (Okabe and Ito, 2008).
var colours = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"}

// plotted are the columns with a panel.
var plotted = []string{
	"times the floor", "OCI calls per machine", "tailnet calls per machine", "API writes per machine", "CPU up per machine",
	"OCI calls at rest", "tailnet calls at rest", "all losses noticed after", "peak memory",
}

// plot draws, as SVG, how the machines came up over time, and a panel of bars for each figure, with
// its target as a line.
func plot(results []*result) string {
	var out strings.Builder
	rows := (len(plotted) + 1 + perRow - 1) / perRow
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		perRow*(panelWidth+gap)+gap, rows*(panelHeight+gap)+2*gap)
	out.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, r := range results {
		fmt.Fprintf(&out, `<text x="%d" y="18" fill="%s">■ %d machines, %d accounts, load average %.1f</text>`+"\n",
			gap+i*260, colours[i%len(colours)], r.machines, r.accounts, max(r.up.load, r.down.load))
	}
	place := func(i int) string {
		return fmt.Sprintf("translate(%d %d)", gap+i%perRow*(panelWidth+gap), gap+i/perRow*(panelHeight+gap))
	}
	fmt.Fprintf(&out, `<g transform="%s">%s</g>`+"\n", place(0), curves(results))
	for i, name := range plotted {
		at := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		fmt.Fprintf(&out, `<g transform="%s">%s</g>`+"\n", place(i+1), bars(columns[at], results))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// curves draws the provisioned part of the machines over time, and each floor as a dashed line.
func curves(results []*result) string {
	var out strings.Builder
	longest := 1.0
	for _, r := range results {
		longest = max(longest, r.up.Wall.Seconds(), r.floor.Seconds())
	}
	x := func(seconds float64) float64 { return margin + seconds/longest*(panelWidth-margin) }
	y := func(part float64) float64 { return panelHeight - 20 - part*(panelHeight-50) }
	frame(&out, "provisioned over time (%, s); dashed: the floor", 100)
	for i, r := range results {
		colour := colours[i%len(colours)]
		var points []string
		for _, p := range r.curve {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(p.at.Seconds()), y(p.part)))
		}
		fmt.Fprintf(&out, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`, colour, strings.Join(points, " "))
		fmt.Fprintf(&out, `<line x1="%[1]f" x2="%[1]f" y1="%[2]f" y2="%[3]f" stroke="%[4]s" stroke-dasharray="4 3"/>`,
			x(r.floor.Seconds()), y(0), y(1), colour)
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="end">%s s</text>`, panelWidth, panelHeight-6, number(longest))
	return out.String()
}

// bars draws one figure of all sizes.
func bars(c column, results []*result) string {
	var out strings.Builder
	most := 0.0
	target, err := strconv.ParseFloat(c.target, 64)
	if hasTarget := err == nil; hasTarget {
		most = target
	}
	for _, r := range results {
		most = max(most, c.value(r))
	}
	if most == 0 {
		most = 1
	}
	title := c.name
	if c.unit != "" {
		title += " (" + c.unit + ")"
	}
	frame(&out, title, most)
	width := float64(panelWidth-margin) / float64(len(results))
	for i, r := range results {
		height := c.value(r) / most * (panelHeight - 50)
		left := margin + width*(float64(i)+0.2)
		fmt.Fprintf(&out, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`,
			left, panelHeight-20-height, width*0.6, height, colours[i%len(colours)])
		fmt.Fprintf(&out, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, left+width*0.3, panelHeight-24-height, number(c.value(r)))
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`, left+width*0.3, panelHeight-6, r.machines)
	}
	if err == nil {
		at := panelHeight - 20 - target/most*(panelHeight-50)
		fmt.Fprintf(&out, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#D55E00" stroke-dasharray="4 3"/>`, margin, panelWidth, at, at)
	}
	return out.String()
}

// frame draws a panel's title and axes; most is the value at the top.
func frame(out *strings.Builder, title string, most float64) {
	fmt.Fprintf(out, `<text x="%d" y="12" font-weight="bold">%s</text>`, margin, html.EscapeString(title))
	fmt.Fprintf(out, `<path d="M%d 24V%dH%d" fill="none" stroke="black"/>`, margin, panelHeight-20, panelWidth)
	fmt.Fprintf(out, `<text x="%d" y="34" text-anchor="end">%s</text>`, margin-4, number(most))
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end">0</text>`, margin-4, panelHeight-20)
}
