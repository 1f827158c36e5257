package io.kappafleet.rabbitmq;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A TCP link to the broker that a test can cut, or take away for a while. */
final class TcpProxy implements AutoCloseable {
  private final ServerSocket server;
  private final int target;
  private final List<Socket> sockets = new ArrayList<>();
  private volatile boolean away;

  TcpProxy(int target) throws IOException {
    this.target = target;
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    daemon(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  /** Cuts all links; new ones are let through. */
  synchronized void cut() {
    sockets.forEach(TcpProxy::closeQuietly);
    sockets.clear();
  }

  /** Cuts all links and refuses new ones until {@link #comeBack}. */
  void goAway() {
    away = true;
    cut();
  }

  void comeBack() {
    away = false;
  }

  @Override
  public void close() {
    goAway();
    closeQuietly(server);
  }

  private void accept() {
    try {
      while (true) {
        Socket client = server.accept();
        if (away) {
          closeQuietly(client);
          continue;
        }
        Socket broker = new Socket(InetAddress.getLoopbackAddress(), target);
        synchronized (this) {
          sockets.add(client);
          sockets.add(broker);
        }
        daemon(() -> copy(client, broker));
        daemon(() -> copy(broker, client));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private static void copy(Socket from, Socket to) {
    try (InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream()) {
      in.transferTo(out);
    } catch (IOException e) {
      // Cut.
    } finally {
      closeQuietly(from);
      closeQuietly(to);
    }
  }

  private static void daemon(Runnable task) {
    Thread thread = new Thread(task, "tcp-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static void closeQuietly(AutoCloseable closeable) {
    try {
      closeable.close();
    } catch (Exception e) {
      // It was closed already.
    }
  }
}
