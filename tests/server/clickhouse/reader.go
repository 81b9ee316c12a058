// Asks statements over HTTP with the client that Grafana's data source uses, and says what it read.
//
// go run . ADDRESS PATH PASSWORD COMPRESSION < statements.json
package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

type answer struct {
	Columns []string `json:"columns"`
	Rows    int      `json:"rows"`
	First   string   `json:"first"`
	Error   string   `json:"error"`
}

func read(db *sql.DB, statement string) (found answer) {
	rows, err := db.Query(statement)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer rows.Close()
	found.Columns, _ = rows.Columns()
	values := make([]any, len(found.Columns))
	for place := range values {
		values[place] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return answer{Error: err.Error()}
		}
		if found.Rows == 0 {
			for _, value := range values {
				found.First += fmt.Sprint(*value.(*any)) + "|"
			}
		}
		found.Rows++
	}
	if err := rows.Err(); err != nil {
		found.Error = err.Error()
	}
	return found
}

func main() {
	methods := map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "gzip": clickhouse.CompressionGZIP, "lz4": clickhouse.CompressionLZ4,
		"br": clickhouse.CompressionBrotli, "deflate": clickhouse.CompressionDeflate,
	}
	// As the data source opens it: a database, a user, a path, a row limit.
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{os.Args[1]},
		Protocol:    clickhouse.HTTP,
		HttpUrlPath: os.Args[2],
		Auth:        clickhouse.Auth{Database: "mlobs", Username: "grafana", Password: os.Args[3]},
		Compression: &clickhouse.Compression{Method: methods[os.Args[4]]},
		Settings:    clickhouse.Settings{"limit": 100000, "max_execution_time": 30},
		DialTimeout: 10 * time.Second,
		ReadTimeout: 60 * time.Second,
	})
	var statements []string
	if err := json.NewDecoder(os.Stdin).Decode(&statements); err != nil {
		panic(err)
	}
	found := []answer{}
	if err := db.Ping(); err != nil {
		found = append(found, answer{Error: err.Error()})
	} else {
		for _, statement := range statements {
			found = append(found, read(db, statement))
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
