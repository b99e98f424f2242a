// Orders through node-postgres until standard input ends, then prints what was acknowledged and what failed.
// node orders.cjs URL FIRST_NUMBER [prepared]; NODE_PATH says where the package is.
const { Client } = require("pg");

const [url, first, prepared] = process.argv.slice(2);
const acknowledged = [];
const failures = [];
let isOver = false;

async function order() {
  const client = new Client({ connectionString: url, ssl: { rejectUnauthorized: false } });
  client.on("error", (failure) => failures.push(String(failure)));
  await client.connect();
  for (let number = Number(first); !isOver && !failures.length; number++) {
    const query = { text: "INSERT INTO orders (id) VALUES ($1)", values: [number] };
    await client.query(prepared ? { name: "order", ...query } : query);
    acknowledged.push(number);
    if (acknowledged.length === 20) console.log("ordering");
  }
  await client.end();
}

process.stdin.on("end", () => { isOver = true; }).resume();
order()
  .catch((failure) => failures.push(String(failure)))
  .finally(() => console.log(JSON.stringify({ acknowledged, failures })));
