package io.kappafleet.cassandra;

import java.io.Serializable;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;

/**
 * Where a sink writes, and within which bounds. Part of the job graph, hence without user and
 * password (see {@link CassandraCredentials}).
 *
 * @param hosts names or addresses of some nodes
 * @param port the nodes' CQL port
 * @param datacenter the datacenter to write to
 * @param keyspace an existing keyspace with the sink's tables
 * @param maxInFlight statements sent and not yet answered, per writer
 * @param connectTimeout so long a writer tries to connect at its start before the job fails
 * @param retryTimeout so long writes may fail, without one success, before the job fails
 */
record CassandraSettings(
    List<String> hosts,
    int port,
    String datacenter,
    String keyspace,
    int maxInFlight,
    Duration connectTimeout,
    Duration retryTimeout)
    implements Serializable {

  CassandraSettings {
    hosts = List.copyOf(hosts);
    if (hosts.isEmpty()) {
      throw new IllegalArgumentException("a Cassandra sink needs at least one host");
    }
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("Cassandra's port must be in 1..65535, not " + port);
    }
    if (maxInFlight < 1) {
      throw new IllegalArgumentException(
          "at least one statement must be in flight, not " + maxInFlight);
    }
  }

  List<InetSocketAddress> contactPoints() {
    return hosts.stream().map(host -> new InetSocketAddress(host, port)).toList();
  }

  /** For messages: {@code host:port[, host:port]}. */
  String addresses() {
    return String.join(", ", hosts.stream().map(host -> host + ":" + port).toList());
  }
}
