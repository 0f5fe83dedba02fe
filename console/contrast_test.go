package console_test

// faint is a script that lists the texts which contrast with what is behind them
// less than WCAG 2.2 AA asks: 4.5:1, or 3:1 where they are large. What is disabled
// is not asked of.
const faint = `(() => {
	const parts = (c) => {
		const n = (c.match(/[\d.]+/g) ?? []).map(Number);
		return c.startsWith('color(srgb') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1];
	};
	const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
	const light = (c) => {
		const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		const layers = [];
		for (let at = e; at; at = at.parentElement) layers.push(parts(getComputedStyle(at).backgroundColor));
		const dark = matchMedia('(prefers-color-scheme: dark)').matches;
		return layers.reverse().reduce((below, top) => over(top, below), dark ? [0, 0, 0, 1] : [255, 255, 255, 1]);
	};
	const out = [];
	for (const e of document.querySelectorAll('body *')) {
		if (e.closest('svg, :disabled, [aria-hidden=true], .sr, .skip, fieldset:disabled')) continue;
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
		const style = getComputedStyle(e), back = behind(e);
		const a = light(over(parts(style.color), back)), b = light(back);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
		const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		if (ratio < (large ? 3 : 4.5)) out.push(e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
	}
	return out;
})()`
