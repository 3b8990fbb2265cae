// Prints what .railway/railway.ts asks for: node railway.mjs ENVIRONMENT
import { createRailwayContext, project } from "railway/iac";
import program from "../../.railway/railway.ts";

const context = createRailwayContext({ command: "plan", environment: process.argv[2], environmentName: process.argv[2] });
process.stdout.write(JSON.stringify(await program(context, project)));
