/** Flight SQL as JDBC speaks it: queries and every question about the database that DBeaver asks at the start. */
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class Jdbc {
    static int rows(ResultSet result) throws SQLException {
        int rows = 0;
        while (result.next()) {
            rows++;
        }
        result.close();
        return rows;
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("useEncryption", "false");
        if (arguments.length > 1) {
            properties.put("token", arguments[1]);
        }
        try (Connection connection = DriverManager.getConnection("jdbc:arrow-flight-sql://" + arguments[0], properties)) {
            try (Statement statement = connection.createStatement()) {
                ResultSet result = statement.executeQuery("select 42 as n, 'x' as s, cast(null as bigint) as nothing");
                check(result.next() && result.getLong("n") == 42 && result.getString("s").equals("x"), "a row");
                check(result.getObject("nothing") == null, "null");
                check(rows(statement.executeQuery("select timestamp, fields, tokens from messages")) >= 0, "messages");
            }
            try (PreparedStatement prepared = connection.prepareStatement("select value from range(10)")) {
                check(rows(prepared.executeQuery()) == 10 && rows(prepared.executeQuery()) == 10, "prepared, twice");
            }
            DatabaseMetaData metadata = connection.getMetaData();
            check(rows(metadata.getTables(null, null, "mess%", null)) == 1, "tables");
            check(rows(metadata.getColumns(null, "public", "messages", "%")) > 5, "columns");
            check(rows(metadata.getCatalogs()) == 1 && rows(metadata.getSchemas()) == 2, "catalogs and schemas");
            check(rows(metadata.getTableTypes()) == 2, "types of tables");
            check(rows(metadata.getPrimaryKeys(null, "public", "messages")) == 0, "keys");
            List<String> failed = new ArrayList<>();
            for (Method method : DatabaseMetaData.class.getMethods()) {
                if (method.getParameterCount() == 0 && !method.getName().equals("getDefaultTransactionIsolation")) {
                    try {
                        if (method.invoke(metadata) instanceof ResultSet result) {
                            result.close();
                        }
                    } catch (ReflectiveOperationException error) {
                        failed.add(method.getName() + ": " + error.getCause());
                    }
                }
            }
            check(failed.isEmpty(), failed.toString());
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("select nothing from messages");
                throw new AssertionError("no such column");
            } catch (SQLException error) {
                check(error.getMessage().contains("nothing"), error.getMessage());
            }
        }
        System.out.println("JDBC: passed");
    }
}
