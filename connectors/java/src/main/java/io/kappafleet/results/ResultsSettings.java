package io.kappafleet.results;

import io.kappafleet.rabbitmq.BrokerAddress;
import java.io.Serializable;
import java.time.Duration;

/**
 * Where results go, and within which bounds. Part of the job graph, hence without a password.
 *
 * @param broker its port is the one of AMQP
 * @param exchange an existing exchange
 * @param producer says which tables the rows are written to: a keyspace's name
 * @param maxUnconfirmed messages published and not yet confirmed, per writer
 * @param connectTimeout so long a writer tries to connect at its start before the job fails
 * @param retryTimeout so long messages may stay without one confirm before the job fails
 */
record ResultsSettings(
    BrokerAddress broker,
    String exchange,
    String producer,
    int maxUnconfirmed,
    Duration connectTimeout,
    Duration retryTimeout)
    implements Serializable {

  ResultsSettings {
    if (maxUnconfirmed < 1) {
      throw new IllegalArgumentException(
          "at least one message must be unconfirmed, not " + maxUnconfirmed);
    }
  }

  /** For messages: {@code host:port, virtual host V}. */
  String address() {
    return broker.describe();
  }
}
