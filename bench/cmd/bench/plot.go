// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/goframer/framer/bench/internal/report"
)

// writePlots draws the charts of the growth into a directory. Both axes are logarithmic.
func writePlots(dir string, r *report.Results) error {
	rs, is := partRuns(r, partGrowth), partIdles(r, partGrowth)
	if len(rs) == 0 && len(is) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, c := range charts(rs, is) {
		if err := c.draw(filepath.Join(dir, c.file), measured(implementations(), rs, is)); err != nil {
			return err
		}
	}
	return nil
}

func (c chart) draw(file string, names []string) error {
	p := plot.New()
	p.Title.Text = c.title
	p.X.Label.Text, p.Y.Label.Text = c.x, c.y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = decades(whole), decades(c.format)
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	drawn := 0
	for i, im := range names {
		points := c.line(im)
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		p.Add(line, marks)
		p.Legend.Add(im, line, marks)
		drawn++
	}
	if drawn == 0 {
		return nil // nothing was measured; the table says so
	}
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
	p.Y.Max = math.Pow(10, math.Floor(math.Log10(p.Y.Max))+1)
	return p.Save(16*vg.Centimeter, 11*vg.Centimeter, file)
}

// line returns those points of an implementation that have a logarithm.
func (c chart) line(implementation string) plotter.XYs {
	var points plotter.XYs
	for _, at := range c.points {
		if s := at.figures[implementation]; s.Count > 0 && s.Median > 0 {
			points = append(points, plotter.XY{X: at.x, Y: s.Median})
		}
	}
	return points
}

// decades labels the powers of ten.
type decades func(float64) string

func (format decades) Ticks(least, greatest float64) []plot.Tick {
	ticks := plot.LogTicks{}.Ticks(least, greatest)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = format(t.Value)
		}
	}
	return ticks
}
