package main
import ("testing";"path/filepath";"fmt";"github.com/kubeinquest/inquest/internal/history";"time";"database/sql")
func TestTmp(t *testing.T){
 f:=filepath.Join(t.TempDir(),"h.db")
 s,_:=history.Open(t.Context(), f, history.Options{})
 w:=newWorld(false); b:=cpuTime(); bt:=time.Now()
 for w.incidents<600 { if err:=s.Record(t.Context(), w.some(300,1000000)...);err!=nil{t.Fatal(err)} }
 fmt.Println(w.deaths, (cpuTime()-b)/time.Duration(w.deaths), time.Since(bt))
 fmt.Println(s.Size(t.Context()))
 lb,_:=w.logBytes(); fmt.Println("log",lb)
 s.Close()
 db,_:=sql.Open("sqlite", f)
 rows,err:=db.Query("select name, sum(pgsize), sum(payload) from dbstat group by 1 order by 2 desc"); if err!=nil{t.Fatal(err)}
 for rows.Next(){var n string;var a,b int;rows.Scan(&n,&a,&b);fmt.Println(n,a/w.deaths,b/w.deaths)}
 rows,err=db.Query("select p.path like 'logs%', case when p.path='' then 'report' when p.path like '%Pod%' then 'pod' when p.path like '%Node%' then 'node' when p.path like '%Depl%' then 'depl' else substr(p.path,1,5) end, count(distinct x.blob), count(distinct case when b.base is null then x.blob end), avg(length(b.data)), avg(b.size) from parts x join paths p on p.id=x.path join blobs b on b.id=x.blob group by 1,2"); if err!=nil{t.Fatal(err)}
 for rows.Next(){var n,l string;var a,b int;var c,d float64;fmt.Println(rows.Scan(&l,&n,&a,&b,&c,&d),l,n,a,b,c,d)}
}
