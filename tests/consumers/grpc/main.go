// A client that finds its servers by etcd's own gRPC resolver, and the servers that it calls.
//
//	grpc ENDPOINT TARGET     makes one call for each line of standard input, and prints who answered
//	grpc serve ADDRESS...    answers on these addresses until it is killed
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/resolver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
)

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2:])
	} else {
		call(os.Args[1], os.Args[2])
	}
}

func call(endpoint, target string) {
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{endpoint}}))
	conn := must(grpc.NewClient(target,
		grpc.WithResolvers(must(resolver.NewBuilder(client))),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithTransportCredentials(insecure.NewCredentials())))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(answerer(grpc_health_v1.NewHealthClient(conn)))
	}
}

// answerer makes one call, and returns the address of the server that answered it, or the error.
func answerer(client grpc_health_v1.HealthClient) any {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var from peer.Peer
	request := &grpc_health_v1.HealthCheckRequest{}
	if _, err := client.Check(ctx, request, grpc.WaitForReady(true), grpc.Peer(&from)); err != nil {
		return err
	}
	return from.Addr
}

func serve(addresses []string) {
	for _, address := range addresses {
		server := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		listener := must(net.Listen("tcp", address))
		go server.Serve(listener)
	}
	fmt.Println("serving")
	select {}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
