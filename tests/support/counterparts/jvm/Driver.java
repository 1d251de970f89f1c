package counterparts;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** Reads one JSON request a line from standard input and answers each by a line on standard output, until the input ends. */
public final class Driver {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    // Whatever else prints must not get between the answers.
    PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err);
    Sessions sessions = new Sessions();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      JsonNode request = JSON.readTree(line);
      Map<String, Object> answer = new LinkedHashMap<>();
      answer.put("id", request.get("id").asLong());
      try {
        answer.put("result", sessions.answer(request.get("op").asText(), request.get("args")));
      } catch (Throwable failure) {
        StringWriter trace = new StringWriter();
        failure.printStackTrace(new PrintWriter(trace));
        answer.put("error", failure.getClass().getSimpleName() + ": " + failure.getMessage());
        answer.put("trace", briefly(trace.toString()));
      }
      answers.println(JSON.writeValueAsString(answer));
      answers.flush();
    }
    // Spark's own threads would keep the process alive.
    Runtime.getRuntime().halt(0);
  }

  /** The innermost frames of each cause: Spark's own fill pages. */
  private static String briefly(String trace) {
    StringBuilder brief = new StringBuilder();
    int frames = 0;
    for (String line : trace.split("\n")) {
      frames = line.startsWith("\tat ") ? frames + 1 : 0;
      if (line.startsWith("\tSuppressed")) break;
      if (frames <= 8) brief.append(line).append('\n');
    }
    return brief.toString();
  }
}
