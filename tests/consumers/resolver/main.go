// Prints what Go's own resolver finds: all addresses of a name, or with -srv TYPE DOMAIN all services.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resolver := net.Resolver{PreferGo: true}
	if os.Args[1] == "-srv" {
		_, services, err := resolver.LookupSRV(ctx, os.Args[2], "tcp", os.Args[3])
		check(err)
		for _, service := range services {
			fmt.Println(service.Target, service.Port)
		}
		return
	}
	addresses, err := resolver.LookupHost(ctx, os.Args[1])
	check(err)
	for _, address := range addresses {
		fmt.Println(address)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
