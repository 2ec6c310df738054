// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Measures are in pixels; a row and a column are Grafana's units of a panel's place.
const (
	width   = 1280
	margin  = 8
	column  = (width - margin) / 24.0
	row     = 36
	heading = 56
	// letter is the width of one in a legend, with the widest of the usual fonts.
	letter = 6.6
	line   = 16
)

const style = `
text { font-family: Inter, "Helvetica Neue", Arial, sans-serif; fill: #24292f }
.dashboard { font-size: 20px; font-weight: 600 }
.title { font-size: 14px; font-weight: 600 }
.legend, .tick { font-size: 11px; fill: #57606a }
.time, .none, .value, .name { text-anchor: middle }
.right { text-anchor: end }
.none { font-size: 16px; fill: #8c959f }
.name { font-size: 13px; fill: #57606a }
.value { font-size: 40px; font-weight: 600 }
.panel { fill: #fff; stroke: #d0d7de }
.grid { stroke: #eaeef2 }
.curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round }
`

// palette is Okabe's and Ito's, which people who see few colours tell apart, darker where it has to
// be for a line on white.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#6f42c1", "#57606a"}

// named are the colours of thresholds.
var named = map[string]string{"green": "#1a7f37", "orange": "#bc4c00", "red": "#cf222e"}

type box struct{ x, y, w, h float64 }

type canvas struct{ strings.Builder }

// picture is a dashboard as SVG.
func picture(d dashboard, over span) string {
	bottom := 0.0
	for _, p := range d.Panels {
		bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
	}
	height := heading + bottom*row + margin
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" width="%d" height="%s">`, width, pixels(height), width, pixels(height))
	fmt.Fprintf(c, "\n<style>%s</style>\n", style)
	fmt.Fprintf(c, `<rect width="%d" height="%s" fill="#f6f8fa"/>`+"\n", width, pixels(height))
	c.text(2*margin, 36, "dashboard", d.Title)
	from, to := over.from.UTC(), over.to.UTC()
	c.text(width-2*margin, 36, "name right", fmt.Sprintf("%s, %s to %s UTC", from.Format("2006-01-02"), from.Format("15:04"), to.Format("15:04")))
	for _, p := range d.Panels {
		at := p.GridPos
		c.panel(p, box{margin + at.X*column, heading + at.Y*row, at.W*column - margin, at.H*row - margin}, over)
	}
	c.WriteString("</svg>\n")
	return c.String()
}

func pixels(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func (c *canvas) text(x, y float64, class, words string) { c.coloured(x, y, class, "", words) }

// coloured is a text of a class in another colour than the class has, if one is given.
func (c *canvas) coloured(x, y float64, class, colour, words string) {
	if colour != "" {
		colour = fmt.Sprintf(` style="fill: %s"`, colour)
	}
	fmt.Fprintf(c, `<text x="%s" y="%s" class="%s"%s>%s</text>`+"\n", pixels(x), pixels(y), class, colour, html.EscapeString(words))
}

func (c *canvas) line(x1, y1, x2, y2 float64, attributes string) {
	fmt.Fprintf(c, `<path d="M%s,%sL%s,%s" %s/>`+"\n", pixels(x1), pixels(y1), pixels(x2), pixels(y2), attributes)
}

func (c *canvas) panel(p panel, in box, over span) {
	fmt.Fprintf(c, `<rect x="%s" y="%s" width="%s" height="%s" rx="4" class="panel"/>`+"\n", pixels(in.x), pixels(in.y), pixels(in.w), pixels(in.h))
	c.text(in.x+12, in.y+23, "title", p.Title)
	switch {
	case len(p.found) == 0:
		c.text(in.x+in.w/2, in.y+in.h/2+14, "none", "no data")
	case p.Type == "stat":
		c.stat(p, in)
	default:
		bottom := c.legend(p.found, in)
		c.graph(p, box{in.x + 72, in.y + 40, in.w - 92, bottom - in.y - 66}, over)
	}
}

// stat shows the last value of each series, side by side.
func (c *canvas) stat(p panel, in box) {
	shows := p.FieldConfig.Defaults
	each := in.w / float64(len(p.found))
	for i, s := range p.found {
		last, colour := s.points[len(s.points)-1].value, named["green"]
		for _, step := range shows.Thresholds.Steps {
			if step.Value == nil || last >= *step.Value {
				colour = named[step.Color]
			}
		}
		middle := in.x + (float64(i)+0.5)*each
		c.coloured(middle, in.y+in.h/2+24, "value", colour, written(shows.Unit, last))
		c.text(middle, in.y+in.h-16, "name", s.name)
	}
}

// legend writes the names at the bottom of a panel, and gives where it begins. What half of the
// panel has no room for is counted.
func (c *canvas) legend(all []series, in box) float64 {
	type place struct{ x, row float64 }
	var places []place
	x, rows, most := in.x+12, 1.0, math.Floor(in.h/2/line)
	for _, s := range all {
		wide := 34 + letter*float64(len([]rune(s.name)))
		if x+wide > in.x+in.w && x > in.x+12 {
			x, rows = in.x+12, rows+1
		}
		places = append(places, place{x, rows})
		x += wide
	}
	top := in.y + in.h - line*min(rows, most) - 8
	for i, at := range places {
		y := top + at.row*line
		if rows > most && at.row == most {
			c.text(at.x, y, "legend", fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		c.line(at.x, y-4, at.x+12, y-4, fmt.Sprintf(`stroke="%s" stroke-width="3"`, palette[i%len(palette)]))
		c.text(at.x+18, y, "legend", all[i].name)
	}
	return top
}

// graph draws axes and curves.
func (c *canvas) graph(p panel, in box, over span) {
	curves, top := p.curves(), 0.0
	for _, s := range curves {
		for _, of := range s.points {
			top = max(top, of.value)
		}
	}
	vertical := axisOf(p.FieldConfig.Defaults.Unit, top)
	from, to := float64(over.from.UnixMilli()), float64(over.to.UnixMilli())
	x := func(at float64) float64 { return in.x + in.w*(at-from)/(to-from) }
	y := func(value float64) float64 { return in.y + in.h*(1-value/vertical.top) }
	for _, each := range vertical.ticks {
		c.line(in.x, y(each.value), in.x+in.w, y(each.value), `class="grid"`)
		c.text(in.x-8, y(each.value)+4, "tick right", each.text)
	}
	for _, each := range timeTicks(over, int(in.w/72)) {
		c.line(x(each.value), in.y, x(each.value), in.y+in.h, `class="grid"`)
		c.text(x(each.value), in.y+in.h+16, "tick time", each.text)
	}
	opacity := p.FieldConfig.Defaults.Custom.FillOpacity / 100
	for i, s := range curves {
		for _, part := range unbroken(s.points, over.step.Milliseconds()) {
			c.curve(part, palette[i%len(palette)], opacity, x, y)
		}
	}
}

// curve draws points that follow each other; one alone is a dot.
func (c *canvas) curve(points []point, colour string, opacity float64, x, y func(float64) float64) {
	var above, below strings.Builder
	for i, of := range points {
		fmt.Fprintf(&above, " %s,%s", pixels(x(float64(of.at))), pixels(y(of.value)))
		back := points[len(points)-1-i]
		fmt.Fprintf(&below, " %s,%s", pixels(x(float64(back.at))), pixels(y(back.low)))
	}
	if opacity > 0 {
		fmt.Fprintf(c, `<path d="M%s%sZ" fill="%s" fill-opacity="%s"/>`+"\n", above.String(), below.String(), colour, strconv.FormatFloat(opacity, 'f', -1, 64))
	}
	dot := ""
	if len(points) == 1 {
		dot = "h0"
	}
	fmt.Fprintf(c, `<path d="M%s%s" class="curve" stroke="%s"/>`+"\n", above.String(), dot, colour)
}

// unbroken are the parts of a series between gaps.
func unbroken(points []point, step int64) (parts [][]point) {
	begin := 0
	for i := range points {
		if i+1 == len(points) || points[i+1].at-points[i].at > step {
			parts = append(parts, points[begin:i+1])
			begin = i + 1
		}
	}
	return parts
}
