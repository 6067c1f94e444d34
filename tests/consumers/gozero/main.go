// Prints, for each line of standard input, the values that go-zero's discovery knows below a key, sorted.
//
//	gozero ENDPOINT KEY
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
)

func main() {
	// It would log to standard output, among the answers.
	logx.Disable()
	subscriber, err := discov.NewSubscriber([]string{os.Args[1]}, os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		values := slices.Clone(subscriber.Values())
		slices.Sort(values)
		fmt.Println(strings.Join(values, " "))
	}
}
