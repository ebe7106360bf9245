"""What people look at, in a real browser (headless Chromium, driven by Playwright): `make
test-browser`.
"""
