package io.kappafleet.rabbitmq;

import org.apache.flink.api.connector.source.SourceEvent;

/** Tells a reader that every split known now has its reader: one without any may say it is idle. */
record AssignmentComplete() implements SourceEvent {
  private static final long serialVersionUID = 1L;
}
