/** The short seed of the partitions, with the executable beside the sources: it must not collect sockets either. */
import "../partitions_test.ts";
