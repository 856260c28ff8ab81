B
constant_0J=÷?<­*ÀŠ[£?‚c´?