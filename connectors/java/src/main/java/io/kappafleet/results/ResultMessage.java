package io.kappafleet.results;

import java.io.Serializable;

/**
 * One changed row on its way to other systems.
 *
 * @param routingKey {@code <table>.<group>.<id>}, at most 255 bytes
 * @param messageId names the row and the version of its content: twice the same change has the same
 *     one; at most 255 bytes
 * @param table the table's name
 * @param writeTimeMicros of two changes of a value the one with the larger write time counts
 * @param body the row's changed columns as a JSON object
 */
record ResultMessage(
    String routingKey, String messageId, String table, long writeTimeMicros, byte[] body)
    implements Serializable {}
