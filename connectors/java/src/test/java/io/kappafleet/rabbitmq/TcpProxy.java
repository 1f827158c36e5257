package io.kappafleet.rabbitmq;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A TCP link to the broker that a test can cut, take away for a while, or leave half-open. */
final class TcpProxy implements AutoCloseable {
  private final ServerSocket server;
  private final int target;
  private final List<Socket> sockets = new ArrayList<>();
  private volatile boolean away;
  private volatile int lostLinks;

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
    lostLinks = 0;
  }

  /** Passes nothing on over the links there are, and tells nobody; new ones are let through. */
  synchronized void lose() {
    lostLinks = sockets.size();
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
        int link;
        synchronized (this) {
          link = sockets.size();
          sockets.add(client);
          sockets.add(broker);
        }
        daemon(() -> copy(client, broker, link));
        daemon(() -> copy(broker, client, link));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void copy(Socket from, Socket to, int link) {
    byte[] bytes = new byte[1 << 16];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int count = in.read(bytes); count >= 0; count = in.read(bytes)) {
        if (link < lostLinks) {
          return;
        }
        out.write(bytes, 0, count);
      }
    } catch (IOException e) {
      // Cut.
    }
    if (link >= lostLinks) {
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
