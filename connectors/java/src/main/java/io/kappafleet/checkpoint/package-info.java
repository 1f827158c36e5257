/** What has to do with checkpoints alone, whatever the records are. */
package io.kappafleet.checkpoint;
