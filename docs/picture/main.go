// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Picture draws the pictures of the README, each for a light and a dark page: the life
// of a byte, and what bench has measured, from the tables of bench/RESULTS.md. It also
// writes what the styles cost. After a change, and after a new run of bench, call it
// in the root of the repository:
//
//	go run ./docs/picture
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("picture: ")
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("no arguments, please: %q", flag.Args())
	}
	results, err := os.ReadFile(filepath.Join(*root, resultsFile))
	if err != nil {
		log.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(*root, readmeFile))
	if err != nil {
		log.Fatal(err)
	}
	files, err := draw(string(results), string(readme))
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*root, name), []byte(text), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

// resultsFile has the numbers. As all names of files here, it is relative to the root.
const resultsFile = "bench/RESULTS.md"

// draw returns the pictures, and the README, by their files. It is given what the files
// have now.
func draw(resultsText, readmeText string) (map[string]string, error) {
	r, err := parseResults(resultsText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", resultsFile, err)
	}
	files := make(map[string]string)
	for name, th := range map[string]theme{"light": light, "dark": dark} {
		files["docs/byte-"+name+".svg"] = drawByte(th)
		files["docs/results-"+name+".svg"] = drawResults(th, r)
	}
	if files[readmeFile], err = withFigures(readmeText, r); err != nil {
		return nil, fmt.Errorf("%s: %w", readmeFile, err)
	}
	return files, nil
}
