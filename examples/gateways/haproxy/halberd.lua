-- lua.halberd URL: asks Halberd's /v1/auth/forward about a request, and answers
-- the client itself unless that says yes. Any other outcome is a no.

local identity = {
	key_id = "x-auth-key-id",
	external_id = "x-auth-external-id",
	organization_id = "x-auth-organization-id",
	project_id = "x-auth-project-id",
	scopes = "x-auth-scopes",
	resources = "x-auth-resources",
	request_id = "x-request-id",
	ratelimit = "ratelimit",
	ratelimit_policy = "ratelimit-policy",
}

-- What of a refusal the client gets. The rest is between HAProxy and Halberd.
local passed = {
	"content-type", "cache-control", "www-authenticate", "retry-after",
	"ratelimit", "ratelimit-policy", "x-auth-code", "x-request-id",
}

local function refuse(txn, status, headers, body)
	local reply = txn:reply{ status = status }
	for name, value in pairs(headers) do
		reply:add_header(name, value)
	end
	reply:set_body(body)
	txn:done(reply)
end

-- first is a header's one value; two of a name are none.
local function first(headers, name)
	local values = headers and headers[name]
	if values and values[1] == nil then
		return values[0]
	end
	return nil
end

core.register_action("halberd", { "http-req" }, function(txn, url)
	local question = {
		["x-forwarded-method"] = { txn.f:method() },
		["x-forwarded-uri"] = { txn.f:pathq() },
		["x-forwarded-for"] = { txn.f:src() },
		["x-forwarded-host"] = { txn.f:req_hdr("host") },
	}
	-- Every value of these is passed on, so that Halberd sees when there are two.
	local sent = txn.http:req_get_headers()
	for _, name in ipairs({ "authorization", "x-api-key", "x-request-id", "user-agent" }) do
		if sent[name] then
			question[name] = {}
			for i = 0, #sent[name] do
				table.insert(question[name], sent[name][i])
			end
		end
	end

	local asked, answer = pcall(function()
		return core.httpclient():get{ url = url, headers = question, timeout = 2000 }
	end)
	if asked and answer and answer.status == 200 then
		for var, name in pairs(identity) do
			txn:set_var("txn.halberd_" .. var, first(answer.headers, name) or "")
		end
		txn:set_var("txn.halberd", "yes")
		return
	end

	-- A refusal is Halberd's when it is one in JSON: HAProxy itself makes a page of
	-- HTML where nobody answers.
	local kind = asked and answer and first(answer.headers, "content-type") or ""
	if kind:sub(1, 16) == "application/json" and answer.status >= 400 then
		local headers = {}
		for _, name in ipairs(passed) do
			headers[name] = first(answer.headers, name)
		end
		refuse(txn, answer.status, headers, answer.body or "")
		return
	end
	refuse(txn, 503, { ["content-type"] = "application/json", ["retry-after"] = "1" },
		'{"error":{"code":"UNAVAILABLE","message":"keys cannot be checked now: retry"}}')
end, 1)
