package io.kappafleet.stack;

import java.io.File;
import java.io.IOException;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileStoreAttributeView;
import java.security.ProtectionDomain;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Handle;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * A Java agent that lets Cassandra run where the file system's root is no mount point, as in a plain
 * chroot.
 *
 * <p>Cassandra asks {@link Files#getFileStore} for free space, at its start and now and then. Java looks
 * the answer up in the table of mounts, finds nothing there, and Cassandra refuses to start. The agent
 * gives those questions to {@link #getFileStore}, which knows free space without that table.
 */
public final class UnmountedRoot {
  private static final String FILES = "java/nio/file/Files";
  private static final String SELF = "io/kappafleet/stack/UnmountedRoot";
  private static final String METHOD = "getFileStore";

  private UnmountedRoot() {}

  /** Called by the JVM before Cassandra's main method. */
  public static void premain(String arguments, Instrumentation instrumentation) {
    instrumentation.addTransformer(
        new ClassFileTransformer() {
          @Override
          public byte[] transform(
              ClassLoader loader, String name, Class<?> old, ProtectionDomain domain, byte[] bytes) {
            boolean concerned =
                name != null
                    && name.startsWith("org/apache/cassandra/")
                    && new String(bytes, StandardCharsets.ISO_8859_1).contains(METHOD);
            return concerned ? redirected(bytes) : null;
          }
        });
  }

  /** As {@link Files#getFileStore}; where that finds no mount, a store that knows only its space. */
  public static FileStore getFileStore(Path path) throws IOException {
    try {
      return Files.getFileStore(path);
    } catch (IOException e) {
      if (!Files.exists(path)) {
        throw e;
      }
      return new Unmounted(path.toFile());
    }
  }

  private static byte[] redirected(byte[] bytes) {
    ClassReader reader = new ClassReader(bytes);
    ClassWriter writer = new ClassWriter(reader, 0);
    reader.accept(
        new ClassVisitor(Opcodes.ASM9, writer) {
          @Override
          public MethodVisitor visitMethod(
              int access, String name, String type, String signature, String[] exceptions) {
            return new Redirection(super.visitMethod(access, name, type, signature, exceptions));
          }
        },
        0);
    return writer.toByteArray();
  }

  /** Replaces calls of and references to {@code Files.getFileStore}. */
  private static final class Redirection extends MethodVisitor {
    Redirection(MethodVisitor next) {
      super(Opcodes.ASM9, next);
    }

    @Override
    public void visitMethodInsn(int code, String owner, String name, String type, boolean inInterface) {
      boolean concerned = owner.equals(FILES) && name.equals(METHOD);
      super.visitMethodInsn(code, concerned ? SELF : owner, name, type, inInterface);
    }

    @Override
    public void visitInvokeDynamicInsn(String name, String type, Handle bootstrap, Object... arguments) {
      for (int i = 0; i < arguments.length; i++) {
        if (arguments[i] instanceof Handle handle
            && handle.getOwner().equals(FILES)
            && handle.getName().equals(METHOD)) {
          arguments[i] = new Handle(handle.getTag(), SELF, METHOD, handle.getDesc(), false);
        }
      }
      super.visitInvokeDynamicInsn(name, type, bootstrap, arguments);
    }
  }

  /** All paths without a mount count as one store. */
  private static final class Unmounted extends FileStore {
    private final File file;

    Unmounted(File file) {
      this.file = file;
    }

    @Override
    public String name() {
      return "unmounted";
    }

    @Override
    public String type() {
      return "unknown";
    }

    @Override
    public boolean isReadOnly() {
      return false;
    }

    @Override
    public long getTotalSpace() {
      return file.getTotalSpace();
    }

    @Override
    public long getUsableSpace() {
      return file.getUsableSpace();
    }

    @Override
    public long getUnallocatedSpace() {
      return file.getFreeSpace();
    }

    @Override
    public long getBlockSize() {
      return 4096;
    }

    @Override
    public boolean supportsFileAttributeView(Class<? extends FileAttributeView> type) {
      return false;
    }

    @Override
    public boolean supportsFileAttributeView(String name) {
      return false;
    }

    @Override
    public <V extends FileStoreAttributeView> V getFileStoreAttributeView(Class<V> type) {
      return null;
    }

    @Override
    public Object getAttribute(String attribute) {
      throw new UnsupportedOperationException(attribute);
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Unmounted;
    }

    @Override
    public int hashCode() {
      return 1;
    }
  }
}
