// Prints, for each line of standard input, the targets that Prometheus knows by Consul's API after relabeling, sorted.
//
//	consulsd CONFIGURATION
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
)

// What is needed of Prometheus' configuration.
type configuration struct {
	Jobs []struct {
		Consul  []consul.SDConfig `yaml:"consul_sd_configs"`
		Relabel []*relabel.Config `yaml:"relabel_configs"`
	} `yaml:"scrape_configs"`
}

func main() {
	var conf configuration
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = yaml.Unmarshal(text, &conf)
	}
	if err != nil {
		log.Fatal(err)
	}
	job := conf.Jobs[0]
	for _, rule := range job.Relabel {
		if err := rule.Validate(model.UTF8Validation); err != nil {
			log.Fatal(err)
		}
	}
	registry := prometheus.NewRegistry()
	metrics := job.Consul[0].NewDiscovererMetrics(registry, discovery.NewRefreshMetrics(registry))
	discoverer, err := job.Consul[0].NewDiscoverer(discovery.DiscovererOptions{Metrics: metrics})
	if err != nil {
		log.Fatal(err)
	}
	updates := make(chan []*targetgroup.Group)
	go discoverer.Run(context.Background(), updates)
	var lock sync.Mutex
	known := map[string][]string{}
	go func() {
		for groups := range updates {
			lock.Lock()
			for _, group := range groups {
				known[group.Source] = targets(group, job.Relabel)
			}
			lock.Unlock()
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		lock.Lock()
		all := slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(known))...)))
		lock.Unlock()
		fmt.Println(strings.Join(all, " "))
	}
}

func targets(group *targetgroup.Group, rules []*relabel.Config) (addresses []string) {
	for _, target := range group.Targets {
		builder := labels.NewBuilder(labels.EmptyLabels())
		for _, set := range []model.LabelSet{group.Labels, target} {
			for name, value := range set {
				builder.Set(string(name), string(value))
			}
		}
		if relabel.ProcessBuilder(builder, rules...) {
			addresses = append(addresses, builder.Get(model.AddressLabel))
		}
	}
	return addresses
}
