package io.kappafleet.cassandra;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A port in front of a real server that tests can shut: {@link #freeze} leaves connections open and
 * silent, as a stopped process does; {@link #shut} closes them and refuses new ones, as a dead
 * process does.
 */
public final class Gate implements AutoCloseable {
  private final int target;
  private final int port;
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private ServerSocket server;
  private volatile boolean frozen;

  public Gate(int target) throws IOException {
    this.target = target;
    this.server = listen(0);
    this.port = server.getLocalPort();
  }

  public int port() {
    return port;
  }

  public void freeze() {
    frozen = true;
  }

  public synchronized void shut() throws IOException {
    server.close();
    for (Socket socket : sockets) {
      socket.close();
    }
    sockets.clear();
  }

  public synchronized void open() throws IOException {
    frozen = false;
    if (server.isClosed()) {
      server = listen(port);
    }
  }

  @Override
  public void close() throws IOException {
    open();
    shut();
  }

  private ServerSocket listen(int onPort) throws IOException {
    ServerSocket listening = new ServerSocket();
    listening.setReuseAddress(true);
    listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), onPort));
    daemon(
        () -> {
          while (true) {
            Socket client = listening.accept();
            Socket upstream = new Socket(InetAddress.getLoopbackAddress(), target);
            sockets.add(client);
            sockets.add(upstream);
            daemon(() -> pump(client, upstream));
            daemon(() -> pump(upstream, client));
          }
        });
    return listening;
  }

  private void pump(Socket from, Socket to) throws Exception {
    byte[] buffer = new byte[64 * 1024];
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        while (frozen) {
          Thread.sleep(20);
        }
        out.write(buffer, 0, count);
      }
    } finally {
      sockets.remove(from);
      sockets.remove(to);
    }
  }

  private interface Body {
    void run() throws Exception;
  }

  private static void daemon(Body body) {
    Thread thread =
        new Thread(
            () -> {
              try {
                body.run();
              } catch (Exception e) {
                // A closed socket ends its thread.
              }
            });
    thread.setDaemon(true);
    thread.start();
  }
}
